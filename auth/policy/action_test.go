package policy

import (
	"fmt"
	"strings"
	"testing"
)

func TestActionsMatchInAnyCaseAndWithWildcards(t *testing.T) {
	for _, tt := range []struct {
		element, action string
		want            bool
	}{
		{`"Action":"*"`, "ecr:PutImage", true},
		{`"Action":"*:*"`, "ecr:PutImage", true},
		{`"Action":"*:Put*"`, "ecr:PutImage", true},
		{`"Action":["s3:*","*:Put*"]`, "s3:PutObject", true},
		{`"Action":["ecr:Get*","*:Put*"]`, "ecr:PutImage", true},
		{`"Action":"ecr:*"`, "ecr:PutImage", true},
		{`"Action":"ECR:putimage"`, "ecr:PutImage", true},
		{`"Action":"ecr:Put?mage"`, "Ecr:PUTIMAGE", true},
		{`"Action":"ecr:*Image"`, "ecr:PutImageTag", false},
		{`"Action":"ecr:*"`, "ecr-public:PutImage", false},
		{`"Action":"ecr:"`, "ecr:PutImage", false},
		{`"Action":"ecs:*"`, "ecr:PutImage", false},
		{`"NotAction":"ecs:*"`, "ecr:PutImage", true},
		{`"NotAction":["ecs:*","ecr:Get*"]`, "ecr:PutImage", true},
		{`"NotAction":["ecs:*","ecr:Put*"]`, "ecr:PutImage", false},
		{`"NotAction":"*:Put*"`, "ecr:PutImage", false},
		{`"NotAction":"*"`, "ecr:PutImage", false},
	} {
		u := theUser()
		u.Identity = []Attached{{Document: mustParse(t, statement(`"Effect":"Allow","Resource":"*",`+tt.element), Identity)}}
		q := &Query{Subject: u, Action: tt.action, Resource: repo}
		if got := Decide(q).Allowed; got != tt.want {
			t.Errorf("%s on %s: %v", tt.element, tt.action, got)
		}
		if got := Explain(q).Findings[0].Outcome == Matched; got != tt.want {
			t.Errorf("%s on %s is explained as %v", tt.element, tt.action, got)
		}
	}
}

func TestADocumentOfManyServicesIsDecidedWithoutAnIndex(t *testing.T) {
	var statements []string
	for i := range 90 {
		statements = append(statements, fmt.Sprintf(`{"Sid":"S%d","Effect":"Allow","NotAction":["*:Get*","s%d:x"],"Resource":"*"}`, i, i))
	}
	statements = append(statements, `{"Sid":"Last","Effect":"Deny","Action":["ecr:Put*"],"Resource":"*"}`)
	doc := mustParse(t, `{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`, Identity)
	if doc.index.byService != nil {
		t.Fatal("the document has an index")
	}
	u := theUser()
	u.Identity = []Attached{{Document: doc}}
	for action, want := range map[string]Reason{"ecr:GetX": ImplicitIdentity, "ecr:ListX": AllowedByIdentity, "ecr:PutX": ExplicitIdentity, "s5:x": AllowedByIdentity} {
		decided(t, &Query{Subject: u, Action: action, Resource: repo}, want)
	}
}
