package query_test

import (
	"errors"
	"testing"
	"unicode/utf8"

	"drydock/deploy/placement/query"
)

// FuzzParse: no text makes the parser fall, errors point into the text, and what
// is read means the same in parentheses and the opposite behind a not.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d",
		"not(task:group == database) || runningTasksCount <= 3",
		"ec2InstanceId in ['i-abcd1234', \"i-wxyx7890\"]",
		"registeredAt >= 2018-06-18T22:28:28+00:00 && agentVersion < 1.14.5",
		"!(attribute:stack !exists) or attribute:a/b not_matches '(a|b)[^\\]]*'",
		"agentConnected==true&&!!attribute:x>=10",
		"attribute:x =~ [a[b]] or (", "attribute:\xff == 1",
	} {
		f.Add(seed)
	}
	instances := []*query.Instance{machine(), {}, {AgentConnected: true, Groups: []string{"a"}}}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := query.Parse(text)
		if err != nil {
			var se *query.SyntaxError
			if !errors.As(err, &se) {
				t.Fatalf("%q: %T", text, err)
			}
			if se.Column < 1 || se.Column > utf8.RuneCountInString(text)+1 || se.Expected == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		in, err := query.Parse("(" + text + ")")
		if err != nil {
			var se *query.SyntaxError
			if errors.As(err, &se) && se.Expected[:2] == "no" {
				return // nested as deep as may be already
			}
			t.Fatalf("%q in parentheses: %v", text, err)
		}
		not, err := query.Parse("not (" + text + ")")
		if err != nil {
			return
		}
		for _, i := range instances {
			got := e.Match(i)
			if in.Match(i) != got || not.Match(i) == got {
				t.Fatalf("%q: %v, in parentheses %v, negated %v", text, got, in.Match(i), not.Match(i))
			}
		}
	})
}
