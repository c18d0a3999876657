package policy

import (
	"fmt"
	"strings"
	"testing"
)

// benchSubject has twenty policies of three to five statements, as a role in a
// lab that has been in use for a while: most are about other services, some
// about ECR but other repositories, and a few carry conditions and variables.
func benchSubject(tb testing.TB) *Subject {
	s := &Subject{Kind: AssumedRole, ARN: session, RoleARN: role, Account: home}
	for i := range 20 {
		var st []string
		service := []string{"ecr", "ecs", "s3", "logs", "sqs", "ec2"}[i%6]
		for j := range 3 + i%3 {
			switch {
			case j == 0 && i == 18:
				st = append(st, `{"Sid":"Pull","Effect":"Allow","Action":["ecr:BatchCheckLayerAvailability","ecr:GetDownloadUrlForLayer","ecr:BatchGetImage"],"Resource":"arn:aws:ecr:*:111122223333:repository/team-a/*"}`)
			case j == 1 && i%4 == 0:
				st = append(st, fmt.Sprintf(`{"Sid":"D%d","Effect":"Deny","Action":"%s:*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","192.168.0.0/16"]},"Bool":{"aws:ViaAWSService":"false"}}}`, j, service))
			case j == 2 && i%5 == 0:
				st = append(st, fmt.Sprintf(`{"Sid":"V%d","Effect":"Allow","Action":["%s:Get*","%s:List*","ecr:Put*"],"Resource":"arn:aws:%s:*:*:repository/${aws:PrincipalTag/team}/*"}`, j, service, service, service))
			case j == 3:
				st = append(st, fmt.Sprintf(`{"Sid":"N%d","Effect":"Deny","NotAction":["%s:*","sts:*","ecr:*"],"Resource":"arn:aws:%s:::forbidden-%d/*"}`, j, service, service, i))
			default:
				st = append(st, fmt.Sprintf(`{"Sid":"S%d","Effect":"Allow","Action":["%s:Describe*","%s:List*","%s:Get*","%s:CreateThing","%s:DeleteThing"],"Resource":["arn:aws:%s:*:111122223333:thing/%d-*","arn:aws:%s:*:111122223333:other/%d/*"]}`, j, service, service, service, service, service, service, i, service, i))
			}
		}
		s.Identity = append(s.Identity, Attached{Kind: KindIdentity, Name: fmt.Sprintf("policy %d", i),
			Document: mustParse(tb, `{"Version":"2012-10-17","Statement":[`+strings.Join(st, ",")+`]}`, Identity)})
	}
	return s
}

func benchKeys() MapKeys {
	return MapKeys{"aws:sourceip": {"10.1.2.3"}, "aws:viaawsservice": {"false"}, "aws:principaltag/team": {"team-a"}, "aws:username": {"job7"}}
}

func benchDecide(b *testing.B, q *Query, want Reason) {
	b.Helper()
	if d := Decide(q); d.Reason != want {
		b.Fatalf("the reason is that %s", d.Reason)
	}
	b.ReportAllocs()
	for b.Loop() {
		Decide(q)
	}
}

func BenchmarkDecideAllowedOf20Policies(b *testing.B) {
	benchDecide(b, &Query{Subject: benchSubject(b), Action: pullImage, Resource: repo, ResourceAccount: home, Keys: benchKeys()}, AllowedByIdentity)
}

func BenchmarkDecideRefusedOf20Policies(b *testing.B) {
	benchDecide(b, &Query{Subject: benchSubject(b), Action: "ecr:DeleteRepository", Resource: repo, ResourceAccount: home, Keys: benchKeys()}, ImplicitIdentity)
}

// BenchmarkDecideWhereAllAreAboutTheService is the worst that twenty ordinary
// policies can be: none of their statements can be passed over by its service.
func BenchmarkDecideWhereAllAreAboutTheService(b *testing.B) {
	s := benchSubject(b)
	for i := range s.Identity {
		s.Identity[i].Document = mustParse(b, `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["ecr:Describe*","ecr:List*","ecr:PutImage"],"Resource":"arn:aws:ecr:*:111122223333:repository/team-b/*"},
			{"Effect":"Allow","Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"],"Resource":["arn:aws:ecr:*:*:repository/team-c/*","arn:aws:ecr:*:*:repository/*-base"]},
			{"Effect":"Allow","Action":"ecr:Batch*","Resource":"*","Condition":{"StringEquals":{"aws:username":"alice"}}},
			{"Effect":"Deny","Action":"ecr:*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`, Identity)
	}
	benchDecide(b, &Query{Subject: s, Action: pullImage, Resource: repo, ResourceAccount: home, Keys: benchKeys()}, ImplicitIdentity)
}

func BenchmarkDecideWithEveryKindOfPolicy(b *testing.B) {
	s := benchSubject(b).with(b, none, allows, allows)
	s.Identity = benchSubject(b).Identity
	benchDecide(b, &Query{Subject: s, Action: pullImage, Resource: repo, ResourceAccount: home, Keys: benchKeys(),
		ResourcePolicy: naming(b, home), Guardrails: []Attached{*policyOf(b, KindGuardrail, allows)}}, AllowedByIdentity)
}

func BenchmarkDecideAsRoot(b *testing.B) {
	benchDecide(b, &Query{Subject: theRootUser(), Action: pullImage, Resource: repo, ResourceAccount: home}, AllowedAsRoot)
}

func BenchmarkParse(b *testing.B) {
	text := []byte(statement(`"Sid":"Pull","Effect":"Allow","Action":["ecr:BatchCheckLayerAvailability","ecr:GetDownloadUrlForLayer","ecr:BatchGetImage"],"Resource":"arn:aws:ecr:*:111122223333:repository/team-a/*"`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text, Identity); err != nil {
			b.Fatal(err)
		}
	}
}
