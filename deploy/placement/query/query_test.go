package query_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"drydock/deploy/placement/query"
)

// machine is what most expressions of the tests are asked about.
func machine() *query.Instance {
	return &query.Instance{
		AgentConnected:    true,
		AgentVersion:      "1.14.4",
		EC2InstanceID:     "i-abcd1234",
		RegisteredAt:      time.Date(2018, 2, 12, 23, 59, 59, 300e6, time.UTC),
		RunningTasksCount: 2,
		Groups:            []string{"service:production", "database"},
		Attributes: map[string]string{
			"ecs.instance-type":     "g2.2xlarge",
			"ecs.availability-zone": "us-east-1a",
			"stack":                 "prod",
			"size":                  "10",
			"bare":                  "",
			"note":                  "two words (and more)",
			`team/x\y`:              "a@b:c",
		},
	}
}

func TestExpressionsOfTheGuideSelectWhatItSaysTheySelect(t *testing.T) {
	for _, c := range []struct {
		expression string
		want       bool
		change     func(*query.Instance)
	}{
		{expression: "attribute:ecs.instance-type == t2.small"},
		{expression: "attribute:ecs.instance-type == t2.small", want: true,
			change: func(i *query.Instance) { i.Attributes["ecs.instance-type"] = "t2.small" }},
		{expression: "attribute:ecs.availability-zone in [us-east-1a, us-east-1b]", want: true},
		{expression: "attribute:ecs.availability-zone in [us-east-1a, us-east-1b]",
			change: func(i *query.Instance) { i.Attributes["ecs.availability-zone"] = "us-east-1c" }},
		{expression: "attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d", want: true},
		{expression: "attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d",
			change: func(i *query.Instance) { i.Attributes["ecs.availability-zone"] = "us-east-1d" }},
		{expression: "task:group == service:production", want: true},
		{expression: "not(task:group == database)"},
		{expression: "not(task:group == database)", want: true,
			change: func(i *query.Instance) { i.Groups = []string{"service:production"} }},
		{expression: "runningTasksCount == 1"},
		{expression: "runningTasksCount == 1", want: true,
			change: func(i *query.Instance) { i.RunningTasksCount = 1 }},
		{expression: "agentVersion < 1.14.5", want: true},
		{expression: "agentVersion < 1.14.5", change: func(i *query.Instance) { i.AgentVersion = "1.14.10" }},
		{expression: "registeredAt < 2018-02-13", want: true},
		{expression: "registeredAt < 2018-02-13",
			change: func(i *query.Instance) { i.RegisteredAt = i.RegisteredAt.Add(time.Second) }},
		{expression: "ec2InstanceId in ['i-abcd1234', 'i-wxyx7890']", want: true},
		{expression: "attribute:stack != prod"},
		{expression: "attribute:stack != prod", want: true,
			change: func(i *query.Instance) { i.Attributes["stack"] = "test" }},
		{expression: "attribute:stack != prod",
			change: func(i *query.Instance) { delete(i.Attributes, "stack") }},
	} {
		i := machine()
		if c.change != nil {
			c.change(i)
		}
		if got := parse(t, c.expression).Match(i); got != c.want {
			t.Errorf("%s: %v, want %v", c.expression, got, c.want)
		}
	}
}

func TestOperatorsAndTheirWordsMeanTheSame(t *testing.T) {
	for _, c := range []struct {
		sign, word string
		want       bool
	}{
		{"attribute:stack == prod", "attribute:stack equals prod", true},
		{"attribute:stack != prod", "attribute:stack not_equals prod", false},
		{"attribute:size > 9", "attribute:size greater_than 9", true},
		{"attribute:size >= 10", "attribute:size greater_than_equal 10.0", true},
		{"attribute:size < 9", "attribute:size less_than 9", false},
		{"attribute:size <= 10", "attribute:size less_than_equal 10", true},
		{"attribute:stack > prac", "attribute:stack greater_than prac", true},
		{"attribute:bare exists", "attribute:bare exists", true},
		{"attribute:bare !exists", "attribute:bare not_exists", false},
		{"attribute:none !exists", "attribute:none not_exists", true},
		{"attribute:stack in [a,prod]", "attribute:stack in [a , prod ]", true},
		{"attribute:stack !in [a,prod]", "attribute:stack not_in [a, prod]", false},
		{"attribute:none !in [a]", "attribute:none not_in [a]", false},
		{"attribute:stack =~ p[a-z]+", "attribute:stack matches p[a-z]+", true},
		{"attribute:stack =~ pro", "attribute:stack matches pro", false},
		{"attribute:stack !~ pro", "attribute:stack not_matches pro", true},
		{"attribute:none !~ pro", "attribute:none not_matches pro", false},
		{"attribute:stack =~ test|prod", "attribute:stack matches 'test|prod'", true},
		{"agentConnected == true", "agentConnected equals true", true},
		{"agentConnected in [false]", "agentConnected in ['false']", false},
		{"agentConnected =~ t.*", "agentConnected matches t.*", true},
		{"agentVersion >= 1.14.4", "agentVersion greater_than_equal 1.14.4", true},
		{"agentVersion == 1.14.4.0", "agentVersion equals 1.14.4", true},
		{"ec2InstanceId !~ i-a.*", "ec2InstanceId not_matches i-a.*", false},
		{"registeredAt == 2018-02-12T23:59:59", "registeredAt equals 2018-02-13T00:59:59+01:00", true},
		{"registeredAt > 2018-02-12T23:59:58Z", "registeredAt greater_than 2018-02-12T23:59:58", true},
		{"runningTasksCount >= 2", "runningTasksCount greater_than_equal 2", true},
		{"task:group != database", "task:group not_equals database", true},
		{"task:group =~ service:.*", "task:group matches service:.*", true},
		{"task:group in [database]", "task:group in [ database ]", true},
		{"task:group exists", "not task:group not_exists", true},
		{"attribute:stack == prod && runningTasksCount == 9", "attribute:stack == prod and runningTasksCount == 9", false},
		{"attribute:stack == prod || runningTasksCount == 9", "attribute:stack == prod or runningTasksCount == 9", true},
		{"!(attribute:stack == prod)", "not (attribute:stack == prod)", false},
		{"!attribute:none == prod", "not attribute:none == prod", true},
		{"attribute:stack==prod&&!(attribute:size==9)", "attribute:stack equals prod and not attribute:size equals 9", true},
		{`attribute:team/x\y == a@b:c`, `attribute:team/x\y equals "a@b:c"`, true},
		{"attribute:note == 'two words (and more)'", `attribute:note equals "two words (and more)"`, true},
		{"attribute:ecs.instance-type =~ '(g2|g3).*'", `attribute:ecs.instance-type matches "(g2|g3)[.].*"`, true},
	} {
		for _, e := range []string{c.sign, c.word} {
			if got := parse(t, e).Match(machine()); got != c.want {
				t.Errorf("%s: %v, want %v", e, got, c.want)
			}
		}
	}
}

func TestAndBindsCloserThanOrAndNotCloserThanBoth(t *testing.T) {
	const yes, no = "attribute:stack == prod", "attribute:stack == test"
	for expression, want := range map[string]bool{
		yes + " or " + yes + " and " + no:                  true,
		"(" + yes + " or " + yes + ") and " + no:           false,
		"not " + no + " and " + yes:                        true,
		"not " + yes + " or " + yes:                        true,
		"not (" + yes + " or " + yes + ")":                 false,
		"not not !" + no:                                   true,
		"\t( ( " + yes + ")\n)\r\n":                        true,
		no + " or " + no + " or " + yes + " and not " + no: true,
	} {
		if got := parse(t, expression).Match(machine()); got != want {
			t.Errorf("%s: %v, want %v", expression, got, want)
		}
	}
}

func TestAnInstanceWithoutTasksHasNoGroup(t *testing.T) {
	empty := &query.Instance{}
	for expression, want := range map[string]bool{
		"task:group == a":       false,
		"task:group != a":       false,
		"task:group !~ .*":      false,
		"not (task:group == a)": true,
		"task:group exists":     false,
		"task:group not_exists": true,
		"agentVersion != 1.0.0": false,
		"ec2InstanceId != i-1":  false,
	} {
		if got := parse(t, expression).Match(empty); got != want {
			t.Errorf("%s: %v, want %v", expression, got, want)
		}
	}
}

func TestAgentVersionsAreComparedByTheirNumbers(t *testing.T) {
	for _, c := range []struct{ earlier, later string }{
		{"1.9.0", "1.14.0"}, {"1.14", "1.14.1"}, {"0.9.9", "1"}, {"1.14.0-rc1", "1.14"}, {"1.0-a", "1.0-b"},
	} {
		i := &query.Instance{AgentVersion: c.earlier}
		for expression, want := range map[string]bool{
			"agentVersion < " + c.later: true, "agentVersion <= " + c.later: true, "agentVersion != " + c.later: true,
			"agentVersion > " + c.later: false, "agentVersion == " + c.later: false, "agentVersion == v" + c.earlier: true,
		} {
			if got := parse(t, expression).Match(i); got != want {
				t.Errorf("%s with %s: %v, want %v", expression, c.earlier, got, want)
			}
		}
		if later := (&query.Instance{AgentVersion: c.later}); !parse(t, "agentVersion > "+c.earlier).Match(later) {
			t.Errorf("%s is not later than %s", c.later, c.earlier)
		}
	}
}

func TestErrorsPointAtThePlace(t *testing.T) {
	for _, c := range []struct {
		expression string
		column     int
		says       string
	}{
		{"", 1, "expected a subject"},
		{"   ", 4, "found the end of the expression"},
		{"attribute:stack", 16, "expected an operator"},
		{"attribute: == x", 11, "expected the name of an attribute"},
		{"attribute:stäck == x", 13, "expected a letter"},
		{"attribute:" + strings.Repeat("x", 129) + " exists", 11, "at most 128"},
		{"attribute:stack = prod", 17, `found "="`},
		{"attribute:stack like prod", 17, `found "like"`},
		{"attribute:stack ==", 19, `expected a value behind "=="`},
		{"attribute:stack == and attribute:size == 1", 20, "in quotes if it is one"},
		{"attribute:stack == prod attribute:size == 1", 25, `expected "and", "or" or the end`},
		{"attribute:stack == prod AND attribute:size == 1", 25, `found "AND"`},
		{"(attribute:stack == prod", 25, `expected "and", "or" or ")"`},
		{"attribute:stack == prod)", 24, `found ")"`},
		{"attribute:stack == 'prod", 25, "expected a closing '"},
		{"attribute:stack == [a, b]", 20, `a list goes with "in"`},
		{"attribute:stack in a", 20, "expected a list such as [a, b]"},
		{"attribute:stack in []", 21, "expected a value"},
		{"attribute:stack in [a b]", 23, `expected "," or "]"`},
		{"attribute:stack in [a,", 23, "expected a value"},
		{"attribute:stack =~ (a|b)", 20, "put in quotes"},
		{"attribute:stack =~ 'a(?!b)'", 22, "RE2"},
		{"attribute:stack =~ a++", 21, "RE2"},
		{`attribute:stack =~ '(a)\1'`, 24, "RE2"},
		{"attribute:stack =~ 'a)|(b'", 21, "RE2"},
		{"attribute:stack =~ '[a-z&&[^b]]'", 25, "sets within sets"},
		{"attribute:stack =~ [a[b]]", 22, "sets within sets"},
		{"agentConnected == yes", 19, "expected true or false"},
		{"agentConnected > true", 16, "expected an operator of agentConnected (==, !=, in, !in, =~ or !~)"},
		{"agentVersion < new", 16, "expected a version"},
		{"agentVersion =~ 1.*", 14, "expected an operator of agentVersion"},
		{"registeredAt < yesterday", 16, "expected a date"},
		{"registeredAt < 2018-02-30", 16, "expected a date"},
		{"runningTasksCount == many", 22, "expected a whole number"},
		{"runningTasksCount in [1]", 19, "expected an operator of runningTasksCount"},
		{"ec2InstanceId exists", 15, "expected an operator of ec2InstanceId"},
		{"AgentConnected == true", 1, `found "AgentConnected"`},
		{"task:family == x", 1, "task:group"},
		{"not", 4, "expected a subject"},
		{"é", 1, `found "é"`},
		{strings.Repeat("(", 5000), 201, "no more than 200"},
		{strings.Repeat("not ", 5000), 801, "no more than 200"},
	} {
		_, err := query.Parse(c.expression)
		var e *query.SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%.60s: %v", c.expression, err)
			continue
		}
		if e.Column != c.column || !strings.Contains(e.Error(), c.says) {
			t.Errorf("%.60s: %v; want column %d and %q", c.expression, e, c.column, c.says)
		}
	}
}

func TestPatternsMayHaveBracketsThatStandForThemselves(t *testing.T) {
	i := &query.Instance{Attributes: map[string]string{"a": "x[y"}}
	for _, pattern := range []string{`x\[y`, `x[\[]y`, `'\Qx[\Ey'`, `x[^\]]y`, `x.y`, `'(?i)X.Y'`, `[x][\[][y]`, `[^]][\[]y`} {
		if !parse(t, "attribute:a =~ "+pattern).Match(i) {
			t.Errorf("%s does not match x[y", pattern)
		}
	}
}

func parse(t *testing.T, expression string) *query.Expr {
	t.Helper()
	e, err := query.Parse(expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	if e.String() != expression {
		t.Errorf("%q is now %q", expression, e)
	}
	return e
}
