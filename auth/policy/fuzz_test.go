package policy

import (
	"errors"
	"testing"
)

// FuzzParse looks for texts on which parsing fails otherwise than with a
// sentence, for documents that cannot be decided or explained, and for
// statements whose place in the text is not a statement.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		statement(`"Sid":"a","Effect":"Allow","Action":["ecr:*","*"],"Resource":["arn:aws:ecr:*:*:repository/${aws:username, 'x'}","*"]`),
		statement(`"Effect":"Deny","NotAction":"iam:*","NotResource":"arn:aws:logs:*","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":["a","${*}"]},"DateLessThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"NumericEquals":{"a":5},"Bool":{"b":true},"Null":{"c":"true"},"ArnLike":{"d":"arn:aws:ecr:*:*:*"},"BinaryEquals":{"e":"YQ=="}}`),
		statement(`"Effect":"Allow","Principal":{"AWS":["*","111122223333"],"Service":"ecs.amazonaws.com","Federated":"accounts.google.com"},"Action":"sts:AssumeRole"`),
		statement(`"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:sts::111122223333:assumed-role/r/s"},"Action":"ecr:*"`),
		`null`, `[]`, `{}`, `{"Statement":[{"Effect":`, "\xff",
	} {
		for use := range byte(Guardrail + 1) {
			f.Add([]byte(s), use)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, use byte) {
		u := Use(use % byte(Guardrail+1))
		doc, err := Parse(text, u)
		if err != nil {
			var s *SyntaxError
			if !errors.As(err, &s) || s.Message == "" || s.Detail == "" {
				t.Fatalf("refused without a sentence: %#v", err)
			}
			return
		}
		if len(doc.Statements) == 0 {
			t.Fatal("a document without statements was taken")
		}
		lines := lineStarts(text)
		for i, st := range doc.Statements {
			begin, end := lines[st.Begin.Line-1]+st.Begin.Column-1, lines[st.End.Line-1]+st.End.Column-1
			if st.Index != i || text[begin] != '{' || text[end-1] != '}' || begin >= end {
				t.Fatalf("statement %d is said to be %q", i, text[begin:end])
			}
		}
		ContextKeys(doc)
		a := Attached{Kind: KindResource, Document: doc}
		q := &Query{Subject: &Subject{Kind: User, ARN: bob, Account: home}, Action: pullImage, Resource: repo,
			Keys: MapKeys{"aws:username": {"bob"}, "aws:tagkeys": {"a", ""}}}
		if u.named() {
			q.ResourcePolicy = &a
		} else {
			q.Subject.Identity = []Attached{a}
		}
		d := Decide(q)
		if x := Explain(q); x.Decision != d {
			t.Fatalf("decided %+v, explained %+v", d, x.Decision)
		}
	})
}

func lineStarts(text []byte) []int {
	out := []int{0}
	for i, c := range text {
		if c == '\n' {
			out = append(out, i+1)
		}
	}
	return out
}
