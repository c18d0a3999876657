package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// statement is a whole document around the elements of one statement.
func statement(elements string) string {
	return `{"Version":"2012-10-17","Statement":{` + elements + `}}`
}

// The pairs of document and sentence are what IAM is on record as answering.
func TestAMalformedDocumentIsRefusedWithTheSentenceOfIAM(t *testing.T) {
	const bucket = `"Resource":"arn:aws:s3:::b"`
	for _, tt := range []struct{ name, document, want string }{
		{"no JSON", `This is not a json document`, saySyntax},
		{"empty", ``, saySyntax},
		{"null", `null`, saySyntax},
		{"a list", `[]`, saySyntax},
		{"something after the document", statement(`"Effect":"Allow","Action":"*","Resource":"*"`) + `{}`, saySyntax},
		{"a BOM", "\ufeff" + statement(`"Effect":"Allow","Action":"*","Resource":"*"`), saySyntax},
		{"no UTF-8", strings.Replace(statement(`"Effect":"Allow","Action":"*","Resource":"*"`), "Allow", "All\xffow", 1), saySyntax},
		{"no version", `{"Statement":{"Effect":"Allow","Action":"s3:ListBucket",` + bucket + `}}`, sayVersion},
		{"the old version", `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket",` + bucket + `}}`, sayVersion},
		{"a version that is none", `{"Version":"2013-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket",` + bucket + `}}`, saySyntax},
		{"the old version before a doubled Sid", `{"Statement":[{"Sid":"a","Effect":"Allow","Action":"s3:X",` + bucket + `},{"Sid":"a","Effect":"Allow"}]}`, sayVersion},
		{"the old version before a wrong date", `{"Statement":{"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"DateGreaterThan":{"a":"x"}}}}`, sayVersion},
		{"no statement", `{"Version":"2012-10-17"}`, saySyntax},
		{"an empty list of statements", `{"Version":"2012-10-17","Statement":[]}`, saySyntax},
		{"a statement that is a text", `{"Version":"2012-10-17","Statement":["afd"]}`, saySyntax},
		{"an unknown element of the document", `{"Version":"2012-10-17","Extra":"x","Statement":{"Effect":"Allow","Action":"s3:X",` + bucket + `}}`, saySyntax},
		{"an unknown element of a statement", statement(`"Effect":"Allow","Action":"s3:X","Extra":"x",` + bucket), saySyntax},
		{"an element in the wrong case", statement(`"effect":"Allow","Action":"s3:X",` + bucket), saySyntax},
		{"an element given twice", statement(`"Effect":"Deny","Effect":"Allow","Action":"s3:X",` + bucket), saySyntax},
		{"a document element given twice", `{"Version":"2012-10-17","Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, saySyntax},
		{"an Id that is a list", `{"Version":"2012-10-17","Id":["x"],"Statement":{"Effect":"Allow","Action":"s3:X",` + bucket + `}}`, saySyntax},
		{"an Id that is an object", `{"Version":"2012-10-17","Id":{},"Statement":{"Effect":"Allow","Action":"s3:X",` + bucket + `}}`, saySyntax},
		{"no effect", statement(`"Action":"s3:ListBucket",` + bucket), saySyntax},
		{"an effect that is none", statement(`"Effect":"invalid","Action":"s3:X",` + bucket), saySyntax},
		{"an effect in the wrong case", statement(`"Effect":"denY","Action":"s3:X",` + bucket), sayLegacy},
		{"an effect in the wrong case before missing actions", statement(`"Effect":"allow","Resource":"arn:aws:s3:us-east-1::b"`), sayLegacy},
		{"an action without a service", statement(`"Effect":"Allow","Action":"invalid",` + bucket), sayActionVendor},
		{"an empty action", statement(`"Effect":"Allow","NotAction":"",` + bucket), sayActionVendor},
		{"an action with a space in the service", statement(`"Effect":"Allow","Action":"a a:ListBucket",` + bucket), "Vendor a a is not valid"},
		{"an action with a wildcard in the service", statement(`"Effect":"Allow","Action":"s*:ListBucket",` + bucket), "Vendor s* is not valid"},
		{"an action with two colons", statement(`"Effect":"Allow","Action":"s3:List:Bucket",` + bucket), sayActionColons},
		{"a wrong action in the second statement", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3s:ListBucket",` + bucket + `},{"Effect":"Allow","Action":"s:3s:ListBucket",` + bucket + `}]}`, sayActionColons},
		{"no action", statement(`"Effect":"Allow",` + bucket), sayNoActions},
		{"an empty list of actions", statement(`"Effect":"Allow","Action":[],` + bucket), sayNoActions},
		{"neither action nor resource", statement(`"Effect":"Allow"`), sayNoActions},
		{"no action in the first statement", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny"},{"Effect":"Allow","Action":"s3:X",` + bucket + `}]}`, sayNoActions},
		{"both Action and NotAction", statement(`"Effect":"Allow","NotAction":"s3:X","Action":"iam:x",` + bucket), saySyntax},
		{"NotAction and an empty Action", statement(`"Effect":"Allow","NotAction":"s3:X","Action":[],` + bucket), saySyntax},
		{"an action that is an object", statement(`"Effect":"Allow","Action":{},` + bucket), saySyntax},
		{"an action in two lists", statement(`"Effect":"Deny","Action":[[]],` + bucket), saySyntax},
		{"an action that is a number", statement(`"Effect":"Deny","Action":5,` + bucket), saySyntax},
		{"no resource", statement(`"Effect":"Allow","Action":"s3:X"`), sayNoResources},
		{"no resource and a wrong action", statement(`"Effect":"Allow","Action":"invalid"`), sayNoResources},
		{"an empty list of resources", statement(`"Effect":"Allow","Action":"s3:X","Resource":[]`), sayNoResources},
		{"both Resource and NotResource", statement(`"Effect":"Allow","Action":"s3:X","NotResource":"*",` + bucket), saySyntax},
		{"a resource that is an object", statement(`"Effect":"Allow","Action":"s3:X","Resource":{"a":"arn:aws:s3:::b"}`), saySyntax},
		{"an object among the resources", statement(`"Effect":"Deny","Action":"s3:X","Resource":["adfdf",{}]`), saySyntax},
		{"a resource that is no ARN", statement(`"Effect":"Allow","Action":"s3:X","Resource":"invalid resource"`), `Resource invalid resource must be in ARN format or "*".`},
		{"an empty resource", statement(`"Effect":"Allow","Action":"s3:X","Resource":""`), `Resource  must be in ARN format or "*".`},
		{"a wrong resource before a wrong action", statement(`"Effect":"Allow","Action":"s:3:X","Resource":"sdfsadf"`), `Resource sdfsadf must be in ARN format or "*".`},
		{"a partition that is none", statement(`"Effect":"Allow","NotAction":"s3s:X","Resource":"a:bsdfdsafsad"`), `Partition "bsdfdsafsad" is not valid for resource "arn:bsdfdsafsad:*:*:*:*".`},
		{"a partition that is none, and a service", statement(`"Effect":"Allow","NotAction":"s3s:X","Resource":"a:b:cadfsdf"`), `Partition "b" is not valid for resource "arn:b:cadfsdf:*:*:*".`},
		{"a partition that is none, and too many components", statement(`"Effect":"Allow","NotAction":"s3s:X","Resource":"a:b:c:d:e:f:g:h"`), `Partition "b" is not valid for resource "arn:b:c:d:e:f:g:h".`},
		{"an ARN without its beginning", statement(`"Effect":"Allow","Action":"s3:X","Resource":"aws:s3:::example_bucket"`), `Partition "s3" is not valid for resource "arn:s3:::example_bucket:*".`},
		{"two wrong resources", statement(`"Effect":"Allow","Action":"s3:X","Resource":["arn:error:s3:::example_bucket","arn:error:s3::example_bucket"]`), `Partition "error" is not valid for resource "arn:error:s3:::example_bucket".`},
		{"an ARN without a service", statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:aws"`), sayVendor},
		{"an ARN with a wildcard for the service", statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:aws:ec*:::x"`), sayVendor},
		{"an ARN with a variable for the service", statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:aws:${aws:username}:::x"`), sayVendor},
		{"an ARN with a component too few", statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:aws:s3::example_bucket"`), sayLegacy},
		{"an ARN with a component too few before a missing action", statement(`"Effect":"Allow","Resource":"arn:aws:s3::example_bucket"`), sayLegacy},
		{"an ARN in NotResource with a component too few", statement(`"Effect":"Allow","Action":"s3:X","NotResource":"arn:aws:s3::example_bucket"`), sayLegacy},
		{"an ARN with an empty service", statement(`"Effect":"Allow","NotAction":"s3:X","Resource":"arn:aws::::example_bucket"`), sayLegacy},
		{"an ARN with an empty service and too few components", statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:aws::fdsasf"`), sayLegacy},
		{"an IAM resource without a kind", statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:aws:iam:::example_bucket"`), sayIAMPath},
		{"an IAM resource with a region", statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:aws:iam:us-east-1::example_bucket"`), "IAM resource arn:aws:iam:us-east-1::example_bucket cannot contain region information."},
		{"a condition that is a list", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":[]`), saySyntax},
		{"a condition that is a text", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":"a"`), saySyntax},
		{"an operator with a text", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"a":"b"}`), saySyntax},
		{"an operator with a list", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"DateGreaterThan":[]}`), saySyntax},
		{"a key with an object", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"DateGreaterThan":{"a":{}}}`), saySyntax},
		{"a key with null", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"StringEquals":{"a":null}}`), saySyntax},
		{"an unknown operator", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"x":{"a":"1"}}`), saySyntax},
		{"an operator in the wrong case", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"stringequals":{"a":"1"}}`), saySyntax},
		{"a prefix with two colons", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"ForAnyValue::StringEquals":{"a":"1"}}`), saySyntax},
		{"NullIfExists", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"NullIfExists":{"a":"true"}}`), saySyntax},
		{"ForAnyValue:Null", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"ForAnyValue:Null":{"a":"true"}}`), saySyntax},
		{"a wrong date", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"DateGreaterThan":{"a":"sdfdsf"}}`), sayLegacy},
		{"a wrong date before missing actions", statement(`"Effect":"Allow","Condition":{"DateGreaterThan":{"a":"sdfdsf"}}`), sayLegacy},
		{"a wrong date before a wrong partition", statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:error:s3:::b","Condition":{"DateGreaterThan":{"a":"sdfdsf"}}`), sayLegacy},
		{"a date without its day", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"DateLessThanEquals":{"a":"234-13"}}`), sayLegacy},
		{"seconds beyond any date", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"DateLessThan":{"a":"9223372036854775808"}}`), sayLegacy},
		{"a wrong number", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"NumericEquals":{"a":"0x1p3"}}`), sayLegacy},
		{"a wrong address", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"IpAddress":{"a":"10.0.0.0/33"}}`), sayLegacy},
		{"a wrong Null", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"Null":{"a":"1"}}`), sayLegacy},
		{"a wrong binary", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"BinaryEquals":{"a":"%"}}`), sayLegacy},
		{"an open variable", statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:aws:s3:::${aws:username"`), saySyntax},
		{"a variable without a name", statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":{"StringEquals":{"a":"${}"}}`), saySyntax},
		{"a default value without quotes", statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:aws:s3:::${aws:username, none}"`), saySyntax},
		{"a Sid that is an object", statement(`"Sid":{},"Effect":"Allow","Action":"s3:X",` + bucket), saySyntax},
		{"a Sid that is a list", statement(`"Sid":[],"Effect":"Allow","Action":"s3:X",` + bucket), saySyntax},
		{"a Sid with a hyphen", statement(`"Sid":"a-b","Effect":"Allow","Action":"s3:X",` + bucket), saySidForm},
		{"a doubled Sid before missing actions", `{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":"s3:X",` + bucket + `},{"Sid":"a","Effect":"Allow"}]}`, saySidTwice},
		{"a principal", statement(`"Effect":"Allow","Principal":"*","Action":"s3:X",` + bucket), sayPrincipal},
		{"a principal that is excepted", statement(`"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:X",` + bucket), sayPrincipal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, use := range []Use{Identity, Guardrail} {
				refused(t, tt.document, use, tt.want)
			}
		})
	}
}

func TestAMalformedDocumentWithPrincipalsIsRefusedWithTheSentenceOfAWS(t *testing.T) {
	const (
		me    = `"Principal":{"AWS":"111122223333"},`
		trust = `"Effect":"Allow","Action":"sts:AssumeRole",`
		pull  = `"Effect":"Allow","Action":"ecr:BatchGetImage"`
	)
	for _, tt := range []struct {
		name     string
		use      Use
		document string
		want     string
	}{
		{"no JSON", Trust, `{invalid`, sayJSON},
		{"nothing", Repository, ``, sayJSON},
		{"null", Repository, `null`, sayNotAPolicy},
		{"an empty object", Repository, `{}`, "Syntax error at position (1,3)"},
		{"an empty list of statements", Trust, `{"Statement":[]}`, sayNoStatement},
		{"an empty statement", Repository, `{"Statement":[{}]}`, "Missing required field Effect"},
		{"a version that is none", Trust, `{"Version":"2013-01-01","Statement":{}}`, sayResourceVersion},
		{"an effect that is none", Trust, `{"Statement":{"Effect":"allow"}}`, "Invalid effect: allow"},
		{"no principal", Trust, `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}`, "Missing required field Principal"},
		{"a principal without names", Trust, `{"Statement":{` + trust + `"Principal":{}}}`, sayNoNames},
		{"a principal with an empty list", Trust, `{"Statement":{` + trust + `"Principal":{"AWS":[]}}}`, sayNoNames},
		{"a principal in the wrong case", Trust, "{\"Statement\":{\n" + trust + "\n \"Principal\": {\"aws\":\"*\"}}}", "Syntax error at position (3,22)"},
		{"a text for the principal of a trust policy", Trust, `{"Statement":{` + trust + `"Principal":"*"}}`, sayPrincipalText},
		{"a text other than the asterisk", Resource, `{"Statement":{` + pull + `,"Resource":"*","Principal":"111122223333"}}`, "Syntax error at position (1,88)"},
		{"a user that is a wildcard", Repository, `{"Statement":{` + pull + `,"Principal":{"AWS":"arn:aws:iam::111122223333:user/*"}}}`, `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/*"`},
		{"a group", Repository, `{"Statement":{` + pull + `,"Principal":{"AWS":"arn:aws:iam::111122223333:group/g"}}}`, `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:group/g"`},
		{"a session without a name", Repository, `{"Statement":{` + pull + `,"Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/r"}}}`, `Invalid principal in policy: "AWS":"arn:aws:sts::111122223333:assumed-role/r"`},
		{"a service that is none", Trust, `{"Statement":{` + trust + `"Principal":{"Service":"ecs"}}}`, `Invalid principal in policy: "SERVICE":"ecs"`},
		{"a canonical user", Resource, `{"Statement":{` + pull + `,"Resource":"*","Principal":{"CanonicalUser":"79a59d"}}}`, `Invalid principal in policy: "CANONICALUSER":"79a59d"`},
		{"an account with nine digits", Repository, `{"Statement":{` + pull + `,"Principal":{"AWS":"123456789"}}}`, `Invalid principal in policy: "AWS":"123456789"`},
		{"no action", Repository, `{"Statement":{"Effect":"Allow",` + me + `"Resource":"*"}}`, "Missing required field Action"},
		{"an action of another service in a trust policy", Trust, `{"Statement":{"Effect":"Allow",` + me + `"Action":"*"}}`, sayTrustActions},
		{"a resource in a trust policy", Trust, `{"Statement":{` + trust + me + `"Resource":"*"}}`, sayTrustResource},
		{"NotResource in a trust policy", Trust, `{"Statement":{` + trust + me + `"NotResource":"*"}}`, sayTrustNotRes},
		{"NotPrincipal with Allow in a trust policy", Trust, `{"Statement":{` + trust + `"NotPrincipal":{"AWS":"*"}}}`, sayAllowNot},
		{"NotPrincipal with Deny in a trust policy", Trust, `{"Statement":{"Effect":"Deny","Action":"sts:AssumeRole","NotPrincipal":{"AWS":"*"}}}`, sayNotPrincipal},
		{"no resource", Resource, `{"Statement":{` + pull + `,` + me[:len(me)-1] + `}}`, "Missing required field Resource"},
		{"an empty resource of a repository", Repository, `{"Statement":{` + pull + `,` + me + `"Resource":[]}}`, "Missing required field Resource"},
		{"a doubled Sid", Trust, `{"Statement":[{"Sid":"a",` + trust + me[:len(me)-1] + `},{"Sid":"a",` + trust + me[:len(me)-1] + `}]}`, sayStatementTwice},
		{"a wrong date", Trust, `{"Statement":{` + trust + me + `"Condition":{"DateEquals":{"a":"x"}}}}`, "Syntax error at position (1,124)"},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.document, tt.use, tt.want) })
	}
}

func refused(t *testing.T, document string, use Use, want string) {
	t.Helper()
	_, err := Parse([]byte(document), use)
	var s *SyntaxError
	if !errors.As(err, &s) {
		t.Fatalf("the document was taken: %s", document)
	}
	if s.Message != want {
		t.Errorf("got %q\nwant %q\n(%s)", s.Message, want, s.Detail)
	}
	if s.Detail == "" {
		t.Error("the refusal has no detail")
	}
}

func TestProperDocumentsAreTaken(t *testing.T) {
	const bucket = `"Resource":"arn:aws:s3:::b"`
	condition := func(c string) string {
		return statement(`"Effect":"Allow","Action":"s3:X",` + bucket + `,"Condition":` + c)
	}
	for _, tt := range []struct {
		use      Use
		document string
	}{
		{Identity, statement(`"Effect":"Allow","Action":"iam: asdf safdsf af ",` + bucket)},
		{Identity, statement(`"Effect":"Allow","Action":"*","Resource":["arn:aws:s3:::b","*"]`)},
		{Identity, statement(`"Effect":"Allow","Action":["*:*","s3-s:x","s3.s:x"],` + bucket)},
		{Identity, statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:aws:fdsasf"`)},
		{Identity, statement(`"Effect":"Allow","Action":"s3:X","Resource":"arn:aws:logs:*"`)},
		{Identity, statement(`"Effect":"Allow","Action":"s3:X","Resource":["arn:*:ecr:*:*:repository/*","arn:aws-cn:s3:::b"]`)},
		{Identity, statement(`"Effect":"Allow","Action":"s3:X","Resource":["arn:aws:iam::*:user/${aws:username}","arn:aws:iam::111122223333:*"]`)},
		{Identity, statement(`"Effect":"Deny","NotAction":"s3:X","NotResource":"*"`)},
		{Identity, `{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"","Effect":"Allow","Action":"s3:X",` + bucket + `},{"Sid":"","Effect":"Allow","Action":"s3:X",` + bucket + `}]}`},
		{Identity, condition(`{}`)},
		{Identity, condition(`{"a":{}}`)},
		{Identity, condition(`{"DateGreaterThan":{}}`)},
		{Identity, condition(`{"DateGreaterThan":{"a":[]}}`)},
		{Identity, condition(`{"DateLessThanEquals":{"a":["2019-07-01T13:20:15Z","2016-12-13T21:20:37.593194+00:00","2016-12-13t02:00:00.593194+23","2016","2016-12","2016-12-13","1700000000","-292275054"]}}`)},
		{Identity, condition(`{"ForAnyValue:StringEqualsIfExists":{"a":"asf"}}`)},
		{Identity, condition(`{"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"s3:max-keys":10.5},"Null":{"a":[true,"false"]}}`)},
		{Trust, `{"Statement":{"Effect":"Allow","Principal":{"AWS":["*","111122223333","arn:aws:iam::1234567890:root","arn:aws:iam::111122223333:role/a/b/c"],"Service":"ecs-tasks.amazonaws.com","Federated":["arn:aws:iam::111122223333:oidc-provider/gitlab.lab/path","accounts.google.com"]},"Action":["sts:AssumeRole","STS:TagSession"]}}`},
		{Resource, `{"Version":"2008-10-17","Id":"my policy","Statement":[{"Sid":"allow pull","Effect":"Allow","Principal":"*","Action":"ecr:*","Resource":"*"}]}`},
		{Repository, `{"Statement":[{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:sts::111122223333:assumed-role/r/s"},"Action":"ecr:*"}]}`},
		{Repository, `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:sts::111122223333:federated-user/bob"},"NotAction":"ecr:*","Resource":"arn:aws:ecr:*:*:repository/x"}]}`},
	} {
		if _, err := Parse([]byte(tt.document), tt.use); err != nil {
			var s *SyntaxError
			errors.As(err, &s)
			t.Errorf("%s\nwas refused: %v (%s at %v)", tt.document, err, s.Detail, s.At)
		}
	}
}

func TestStatementsKnowTheirPlaceInTheText(t *testing.T) {
	const text = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Sid\": \"A\", \"Effect\": \"Allow\",\n     \"Action\": \"*\", \"Resource\": \"*\"},\n\t{\"Sid\":\"B\",\"Effect\":\"Deny\",\"Action\":\"é:x\",\"Resource\":\"*\"}\n  ]\n}"
	doc := mustParse(t, strings.Replace(text, "é", "e", 1), Identity)
	var got []string
	for _, st := range doc.Statements {
		got = append(got, fmt.Sprintf("%d %s %v %v-%v", st.Index, st.Sid, st.Effect, st.Begin, st.End))
	}
	want := []string{"0 A Allow {4 5}-{5 37}", "1 B Deny {6 2}-{6 59}"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestADocumentBeyondTheBoundsIsRefused(t *testing.T) {
	long := statement(`"Effect":"Allow","Action":"*","Resource":"*"`)
	long += strings.Repeat(" ", MaxDocument+1-len(long))
	refused(t, long, Identity, saySyntax)
	refused(t, strings.Repeat("[", MaxDocument), Identity, saySyntax)
	refused(t, strings.Repeat(`{"Statement":`, 1000), Trust, sayJSON)
}

func TestWhiteSpaceDoesNotCount(t *testing.T) {
	if got := Size([]byte(" {\n\t\"é\" : \u00a0[ ] }\r\n")); got != 8 {
		t.Errorf("got %d, want 8", got)
	}
}

func TestContextKeysAreThoseOfConditionsAndVariables(t *testing.T) {
	doc := mustParse(t, statement(`"Effect":"Allow","Action":"s3:X",
		"Resource":["arn:aws:s3:::${aws:username}/${*}/${aws:PrincipalTag/team, 'none'}","arn:aws:s3:::b"],
		"Condition":{"StringLike":{"AWS:UserName":"x","s3:prefix":["${aws:userid}/*"]},"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:${aws:PrincipalAccount}:t"},
			"NumericEquals":{"s3:max-keys":"1"}}`), Identity)
	want := "aws:PrincipalAccount aws:PrincipalTag/team aws:SourceArn aws:userid aws:username s3:max-keys s3:prefix"
	if got := strings.Join(ContextKeys(doc, doc), " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func mustParse(t testing.TB, document string, use Use) *Document {
	t.Helper()
	doc, err := Parse([]byte(document), use)
	if err != nil {
		var s *SyntaxError
		errors.As(err, &s)
		t.Fatalf("%s\nwas refused: %v (%s)", document, err, s.Detail)
	}
	return doc
}
