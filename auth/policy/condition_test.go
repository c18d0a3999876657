package policy

import (
	"strings"
	"testing"
)

// asked reports whether a statement with the condition matches a request with
// the keys.
func asked(t *testing.T, condition string, keys MapKeys) bool {
	t.Helper()
	u := theUser()
	u.Identity = []Attached{{Document: mustParse(t, statement(`"Effect":"Allow","Action":"*","Resource":"*","Condition":{`+condition+`}`), Identity)}}
	q := &Query{Subject: u, Action: pullImage, Resource: repo, Keys: keys}
	d := Decide(q)
	if x := Explain(q); x.Findings[0].Outcome == Matched != d.Allowed {
		t.Errorf("decided %v, explained: %s", d.Allowed, x.Findings[0].Why)
	}
	return d.Allowed
}

// The rows marked "table" are those of the tables in the IAM User Guide, "IAM
// JSON policy elements: Condition operators". Its table for
// ForAllValues:StringNotLike has its results the wrong way round, against the
// text above it, and is not among them.
func TestConditionsCompareAsDocumented(t *testing.T) {
	one := func(key, v string) MapKeys { return MapKeys{key: {v}} }
	const (
		job   = `"StringEquals":{"aws:PrincipalTag/job-category":"iamuser-admin"}`
		tags  = `"StringEqualsIgnoreCase":{"aws:RequestTag/environment":["preprod","storage"]},"ForAnyValue:StringEquals":{"aws:TagKeys":"environment"}`
		tls   = `"Bool":{"aws:SecureTransport":"false"}`
		bin   = `"BinaryEquals":{"key":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}`
		net   = `"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`
		topic = `"ArnEquals":{"aws:SourceArn":"arn:aws:sns:us-west-2:123456789012:TOPIC-ID"}`
		dist  = `"ForAllValues:ArnLike":{"logs:Arns":["arn:aws:cloudfront::123456789012:distribution/*","arn:aws:cloudfront::123456789012:distribution/support*"]}`
		ec2   = `"StringLikeIfExists":{"ec2:InstanceType":["t1.*","t2.*","m3.*"]}`
		home1 = `"StringLike":{"s3:prefix":["home/","home/${aws:username}/"]}`
	)
	for _, tt := range []struct {
		name, condition string
		keys            MapKeys
		want            bool
	}{
		{"table: String, equal", job, one("aws:principaltag/job-category", "iamuser-admin"), true},
		{"table: String, other", job, one("aws:principaltag/job-category", "dev-ops"), false},
		{"table: String, missing", job, nil, false},
		{"table: variable, one user", home1, MapKeys{"aws:username": {"martha"}, "s3:prefix": {"home/martha/"}}, true},
		{"table: variable, other user", home1, MapKeys{"aws:username": {"nikki"}, "s3:prefix": {"home/martha/"}}, false},
		{"table: variable, missing", home1, one("s3:prefix", "home/martha/"), false},
		{"a value beside one whose variable is missing", home1, one("s3:prefix", "home/"), true},
		{"table: ForAnyValue, both match", tags, MapKeys{"aws:tagkeys": {"environment"}, "aws:requesttag/environment": {"preprod"}}, true},
		{"table: ForAnyValue, one of several", tags, MapKeys{"aws:tagkeys": {"environment", "costcenter"}, "aws:requesttag/environment": {"PreProd"}}, true},
		{"table: ForAnyValue, in another case", tags, MapKeys{"aws:tagkeys": {"Environment"}, "aws:requesttag/environment": {"preprod"}}, false},
		{"table: ForAnyValue, other", tags, MapKeys{"aws:tagkeys": {"costcenter"}, "aws:requesttag/environment": {"preprod"}}, false},
		{"table: ForAnyValue, missing", tags, one("aws:requesttag/environment", "storage"), false},
		{"table: ForAnyValue, the other key missing", tags, one("aws:tagkeys", "environment"), false},
		{"table: ForAnyValue, both missing", tags, nil, false},
		{"table: Bool, equal", tls, one("aws:securetransport", "false"), true},
		{"table: Bool, other", tls, one("aws:securetransport", "true"), false},
		{"table: Bool, missing", tls, nil, false},
		{"table: Binary, equal", bin, one("key", "QmluYXJ5VmFsdWVJbkJhc2U2NA=="), true},
		{"table: Binary, other", bin, one("key", "ASIAIOSFODNN7EXAMPLE"), false},
		{"table: Binary, missing", bin, nil, false},
		{"table: IpAddress, within", net, one("aws:sourceip", "203.0.113.1"), true},
		{"table: IpAddress, without", net, one("aws:sourceip", "198.51.100.1"), false},
		{"table: Arn, equal", topic, one("aws:sourcearn", "arn:aws:sns:us-west-2:123456789012:TOPIC-ID"), true},
		{"table: Arn, other", topic, one("aws:sourcearn", "arn:aws:sns:us-west-2:777788889999:TOPIC-ID"), false},
		{"table: Arn, missing", topic, nil, false},
		{"table: ForAllValues, one", dist, one("logs:arns", "arn:aws:cloudfront::123456789012:distribution/costcenter"), true},
		{"table: ForAllValues, both", dist, MapKeys{"logs:arns": {"arn:aws:cloudfront::123456789012:distribution/a", "arn:aws:cloudfront::123456789012:distribution/support2025"}}, true},
		{"table: ForAllValues, other", dist, one("logs:arns", "arn:aws:cloudfront::777788889999:distribution/costcenter"), false},
		{"table: ForAllValues, missing", dist, nil, true},
		{"table: IfExists, like", ec2, one("ec2:instancetype", "t1.micro"), true},
		{"table: IfExists, unlike", ec2, one("ec2:instancetype", "m2.micro"), false},
		{"table: IfExists, missing", ec2, nil, true},

		{"names of keys in any case", `"StringEquals":{"AWS:UserName":"bob"}`, one("aws:username", "bob"), true},
		{"values in one case", `"StringEquals":{"aws:username":"bob"}`, one("aws:username", "Bob"), false},
		{"no wildcards in StringEquals", `"StringEquals":{"aws:username":"b*"}`, one("aws:username", "bob"), false},
		{"the empty text equals itself", `"StringLike":{"s3:prefix":""}`, one("s3:prefix", ""), true},
		{"all keys of an operator", `"StringEquals":{"a":"1","b":"2"}`, MapKeys{"a": {"1"}, "b": {"2"}}, true},
		{"all keys of an operator, one other", `"StringEquals":{"a":"1","b":"2"}`, MapKeys{"a": {"1"}, "b": {"3"}}, false},
		{"no value to be equal to", `"StringEquals":{"a":[]}`, one("a", "1"), false},
		{"no value to be unequal to", `"StringNotEquals":{"a":[]}`, one("a", "1"), true},

		{"not equal, equal to one of the values", `"StringNotEquals":{"a":["1","2"]}`, one("a", "2"), false},
		{"not equal, other", `"StringNotEquals":{"a":["1","2"]}`, one("a", "3"), true},
		{"not equal, missing", `"StringNotEquals":{"a":"1"}`, nil, true},
		{"not equal if it exists, missing", `"StringNotEqualsIfExists":{"a":"1"}`, nil, true},
		{"not like, missing", `"StringNotLike":{"a":"1*"}`, nil, true},
		{"not equal to a variable without a value", `"StringNotEquals":{"a":"${aws:PrincipalTag/team}"}`, one("a", "x"), true},
		{"not equal in any case", `"StringNotEqualsIgnoreCase":{"a":"X"}`, one("a", "x"), false},
		{"no address, missing", `"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, nil, true},
		{"no ARN, not an ARN at all", `"ArnNotLike":{"a":"arn:aws:*:*:*:*"}`, one("a", "x"), true},

		{"several values without a quantifier, one equal", `"StringEquals":{"a":"1"}`, MapKeys{"a": {"0", "1"}}, true},
		{"several values without a quantifier, one not to be", `"StringNotEquals":{"a":"1"}`, MapKeys{"a": {"0", "1"}}, false},
		{"ForAllValues, one other", `"ForAllValues:StringEquals":{"a":["1","2"]}`, MapKeys{"a": {"1", "3"}}, false},
		{"ForAllValues, the empty text alone", `"ForAllValues:StringEquals":{"a":"1"}`, one("a", ""), true},
		{"ForAllValues, no values", `"ForAllValues:StringEquals":{"a":"1"}`, MapKeys{"a": {}}, true},
		{"ForAllValues, none may equal", `"ForAllValues:StringNotEquals":{"a":"1"}`, MapKeys{"a": {"0", "1"}}, false},
		{"ForAllValues, none equals", `"ForAllValues:StringNotEquals":{"a":"1"}`, MapKeys{"a": {"0", "2"}}, true},
		{"ForAnyValue, one is not equal", `"ForAnyValue:StringNotEquals":{"a":"1"}`, MapKeys{"a": {"0", "1"}}, true},
		{"ForAnyValue, all are equal", `"ForAnyValue:StringNotEquals":{"a":"1"}`, MapKeys{"a": {"1", "1"}}, false},
		{"ForAnyValue not equal, missing", `"ForAnyValue:StringNotEquals":{"a":"1"}`, nil, false},
		{"ForAnyValue not equal, the empty text alone", `"ForAnyValue:StringNotEquals":{"a":"1"}`, one("a", ""), false},
		{"ForAnyValue if it exists, missing", `"ForAnyValue:StringEqualsIfExists":{"a":"1"}`, nil, true},
		{"ForAnyValue if it exists, other", `"ForAnyValue:StringEqualsIfExists":{"a":"1"}`, one("a", "2"), false},

		{"Null, absent as asked", `"Null":{"a":"true"}`, nil, true},
		{"Null, absent though not asked", `"Null":{"a":"false"}`, nil, false},
		{"Null, present", `"Null":{"a":false}`, one("a", "x"), true},
		{"Null, present though asked to be absent", `"Null":{"a":"True"}`, one("a", "x"), false},
		{"Null, the empty text alone", `"Null":{"a":"true"}`, one("a", ""), true},
		{"Null, either", `"Null":{"a":["true","false"]}`, one("a", "x"), true},

		{"numbers by their value", `"NumericEquals":{"a":"10.0"}`, one("a", "1e1"), true},
		{"numbers, below", `"NumericLessThan":{"a":10}`, one("a", "9"), true},
		{"numbers, not below", `"NumericLessThan":{"a":10}`, one("a", "10"), false},
		{"numbers, at most", `"NumericLessThanEquals":{"a":10}`, one("a", "10"), true},
		{"numbers, above", `"NumericGreaterThan":{"a":10}`, one("a", "11"), true},
		{"numbers, at least", `"NumericGreaterThanEquals":{"a":10}`, one("a", "9.99"), false},
		{"numbers, no number", `"NumericGreaterThanEquals":{"a":10}`, one("a", "many"), false},
		{"numbers, not equal to no number", `"NumericNotEquals":{"a":10}`, one("a", "many"), true},
		{"numbers, a NaN", `"NumericLessThanEquals":{"a":10}`, one("a", "NaN"), false},

		{"dates, equal in another zone", `"DateEquals":{"a":"2026-01-01T12:00:00+02:00"}`, one("a", "2026-01-01T10:00:00Z"), true},
		{"dates, as seconds", `"DateEquals":{"a":"2001-09-09T01:46:40Z"}`, one("a", "1000000000"), true},
		{"dates, before", `"DateLessThan":{"a":"2026-01-02"}`, one("a", "2026-01-01T23:59:59.999Z"), true},
		{"dates, at the moment", `"DateLessThan":{"a":"2026-01-02"}`, one("a", "2026-01-02T00:00:00Z"), false},
		{"dates, at or before", `"DateLessThanEquals":{"a":"2026"}`, one("a", "2026-01-01T00:00:00Z"), true},
		{"dates, after", `"DateGreaterThan":{"a":"2026-01"}`, one("a", "2026-01-01T00:00:01Z"), true},
		{"dates, at or after", `"DateGreaterThanEquals":{"a":"2026-01"}`, one("a", "2025-12-31T23:59:59Z"), false},
		{"dates, not equal", `"DateNotEquals":{"a":"2026-01-01"}`, one("a", "2026-01-01T00:00:00Z"), false},
		{"dates, missing", `"DateLessThan":{"a":"2026-01-02"}`, nil, false},

		{"Bool in any case", `"Bool":{"a":true}`, one("a", "TRUE"), true},
		{"Bool, no boolean", `"Bool":{"a":"x"}`, one("a", "x"), false},
		{"Bool if it exists", `"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}`, nil, true},
		{"Bool of a variable", `"Bool":{"a":"${b}"}`, MapKeys{"a": {"true"}, "b": {"true"}}, true},

		{"an address alone", `"IpAddress":{"a":"10.1.2.3"}`, one("a", "10.1.2.3"), true},
		{"an address alone, another", `"IpAddress":{"a":"10.1.2.3"}`, one("a", "10.1.2.4"), false},
		{"a range written from within", `"IpAddress":{"a":"10.1.2.3/24"}`, one("a", "10.1.2.77"), true},
		{"IPv6", `"IpAddress":{"a":"2001:DB8:1234:5678::/64"}`, one("a", "2001:db8:1234:5678::1"), true},
		{"IPv6, without", `"IpAddress":{"a":"2001:DB8:1234:5678::/64"}`, one("a", "2001:db8:1234:5679::1"), false},
		{"IPv4 within IPv6", `"IpAddress":{"a":"10.0.0.0/8"}`, one("a", "::ffff:10.1.2.3"), true},
		{"IPv4 is not in ::/0", `"IpAddress":{"a":"::/0"}`, one("a", "10.1.2.3"), false},
		{"not the address", `"NotIpAddress":{"a":["10.0.0.0/8","192.168.0.0/16"]}`, one("a", "192.168.1.1"), false},

		// The guide's example of where StringLike and ArnLike part.
		{"a wildcard of StringLike spans components", `"StringLike":{"a":"arn:aws:someservice:*:111122223333:finance/*"}`,
			one("a", "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"), true},
		{"a wildcard of ArnLike does not", `"ArnLike":{"a":"arn:aws:someservice:*:111122223333:finance/*"}`,
			one("a", "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"), false},
		{"ArnEquals takes wildcards too", `"ArnEquals":{"a":"arn:aws:ecs:*:*:task/?"}`, one("a", "arn:aws:ecs:eu-west-1:1:task/x"), true},
		{"colons in the last component", `"ArnLike":{"a":"arn:aws:logs:*:*:log-group:*"}`, one("a", "arn:aws:logs:r:1:log-group:x:y"), true},
		{"an ARN of too few components", `"ArnLike":{"a":"arn:aws:*"}`, one("a", "arn:aws:s3:::b"), false},
		{"a variable in an ARN", `"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/${aws:username}"}`, MapKeys{"aws:principalarn": {bob}, "aws:username": {"bob"}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := asked(t, tt.condition, tt.keys); got != tt.want {
				t.Errorf("matched: %v", got)
			}
		})
	}
}

// Source: IAM User Guide, "IAM policy elements: Variables and tags".
func TestPolicyVariablesStandForValuesOfTheRequest(t *testing.T) {
	const prefix = "arn:aws:ecr:eu-west-1:111122223333:repository/"
	team := func(v ...string) MapKeys { return MapKeys{"aws:principaltag/team": v} }
	for _, tt := range []struct {
		name, element, pattern string
		keys                   MapKeys
		repository             string
		want                   bool
	}{
		{"the value", "Resource", "${aws:PrincipalTag/team}/*", team("blue"), "blue/x", true},
		{"another value", "Resource", "${aws:PrincipalTag/team}/*", team("blue"), "red/x", false},
		{"no value", "Resource", "${aws:PrincipalTag/team}/*", nil, "blue/x", false},
		{"no value in NotResource", "NotResource", "${aws:PrincipalTag/team}/*", nil, "blue/x", true},
		{"an empty value is none", "Resource", "${aws:PrincipalTag/team}*", team(""), "blue/x", false},
		{"several values are none", "Resource", "${aws:PrincipalTag/team}/*", team("blue", "red"), "blue/x", false},
		{"a default value", "Resource", "${aws:PrincipalTag/team, 'shared'}/*", nil, "shared/x", true},
		{"a default value that is not needed", "Resource", "${aws:PrincipalTag/team, 'shared'}/*", team("blue"), "shared/x", false},
		{"a default value without the space", "Resource", "${aws:PrincipalTag/team,'}'}/*", nil, "}/x", true},
		{"a wildcard in a value is none", "Resource", "${aws:PrincipalTag/team}", team("*"), "blue/x", false},
		{"a wildcard in a value stands for itself", "Resource", "${aws:PrincipalTag/team}", team("*"), "*", true},
		{"a byte that is no text is no wildcard", "Resource", "${aws:PrincipalTag/team}", team("\xff"), "blue", false},
		{"two variables", "Resource", "${aws:PrincipalTag/team}/${aws:username}", MapKeys{"aws:principaltag/team": {"b"}, "aws:username": {"c"}}, "b/c", true},
		{"an asterisk", "Resource", "a${*}", nil, "ab", false},
		{"a dollar sign", "Resource", "a${$}{b}", nil, "a${b}", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for version, replaced := range map[string]bool{Version2012: true, Version2008: false} {
				p := &Attached{Kind: KindResource, Document: mustParse(t, strings.Replace(
					statement(`"Effect":"Allow","Principal":"*","Action":"*","`+tt.element+`":"`+prefix+tt.pattern+`"`),
					Version2012, version, 1), Resource)}
				q := &Query{Subject: theUser(), Action: pullImage, Resource: prefix + tt.repository, ResourcePolicy: p, Keys: tt.keys}
				want := tt.want && replaced || tt.element == "NotResource"
				if got := Decide(q).Allowed; got != want {
					t.Errorf("version %s: allowed %v", version, got)
				}
			}
		})
	}
}

// Source: IAM User Guide, "IAM JSON policy elements: Resource".
func TestResourcesMatchComponentByComponent(t *testing.T) {
	for _, tt := range []struct {
		pattern, resource string
		want              bool
	}{
		{"*", "*", true},
		{"*", repo, true},
		{"arn:aws:ecr:*:*:*", "*", false},
		{"arn:aws:ecr:*:*:repository/*", repo, true},
		{"arn:aws:ecr:eu-*-?:1111*:repository/team-a/*", repo, true},
		{"arn:aws:ecr:*:*:repository/team-?/x", repo, true},
		{"arn:aws:ecr:*:*:repository/team-a", repo, false},
		{"arn:aws:ecr:*:*:repository/TEAM-A/x", repo, false},
		{"arn:aws:ecs:*:*:*", repo, false},
		{"arn:*:ecr:*:*:*", repo, true},
		{"arn:aws-cn:ecr:*:*:*", repo, false},
		{"arn:aws:logs:*:*:log-group:*", "arn:aws:logs:r:1:log-group:a:log-stream:b", true},
		{"arn:aws:ecr:*:111122223333:repository/x", "arn:aws:ecr:r:444455556666:y:111122223333:repository/x", false},
		{"arn:aws:ecr:eu-west-1*", repo, true},
		{"arn:aws:ecr:us-east-1*", repo, false},
		{"arn:aws:ecr", repo, false},
	} {
		u := theUser()
		u.Identity = []Attached{{Document: mustParse(t, statement(`"Effect":"Allow","Action":"*","Resource":"`+tt.pattern+`"`), Identity)}}
		if got := Decide(&Query{Subject: u, Action: pullImage, Resource: tt.resource}).Allowed; got != tt.want {
			t.Errorf("%s on %s: %v", tt.pattern, tt.resource, got)
		}
	}
}
