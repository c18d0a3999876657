package control

import (
	"cmp"
	"context"
	"net/http"

	"drydock/auth"
	"drydock/auth/policy"
	"drydock/internal/arn"
)

// Question asks how a request would be decided.
type Question struct {
	Principal string `json:"principal"`
	Action    string `json:"action"`
	Resource  string `json:"resource"`
	// Keys are condition keys by lower-cased name, which go before those that
	// the server knows.
	Keys map[string][]string `json:"keys,omitempty"`
}

// Explanation is how a request would be decided and why.
type Explanation struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason"`
	// Refusal is what the caller would be told.
	Refusal string `json:"refusal,omitempty"`
	// Deciding is the statement that settled it; nil where none did.
	Deciding   *Statement  `json:"deciding,omitempty"`
	Statements []Statement `json:"statements"`
	// Missing are condition keys that statements asked for and nobody gave.
	Missing []string `json:"missing,omitempty"`
}

// Statement is one statement of a policy that has a say.
type Statement struct {
	Kind   string `json:"kind"`
	Policy string `json:"policy"`
	Sid    string `json:"sid,omitempty"`
	// Number counts the statements of the policy from 1 on.
	Number  int    `json:"number"`
	Effect  string `json:"effect"`
	Matched bool   `json:"matched"`
	Why     string `json:"why"`
}

func (s *Server) explain(ctx context.Context, q Question) (Explanation, error) {
	r := auth.Request{
		Principal: auth.Principal{ARN: q.Principal}, Action: q.Action, Resource: cmp.Or(q.Resource, "*"),
		Region: s.o.Region, Keys: q.Keys,
	}
	who, err := arn.Parse(q.Principal)
	if err == nil {
		r.ResourceAccount = who.Account
	}
	if a, err := arn.Parse(q.Resource); err == nil {
		r.ResourceAccount = cmp.Or(a.Account, r.ResourceAccount)
		r.Region = cmp.Or(a.Region, r.Region)
	}
	x, err := s.o.Explainer.Explain(ctx, r)
	if err != nil {
		return Explanation{}, err
	}
	out := Explanation{Allowed: x.Decision.Allowed, Reason: x.Decision.Reason.String(), Missing: x.Missing, Statements: []Statement{}}
	if !x.Decision.Allowed {
		out.Refusal = (&auth.DeniedError{Request: r, Because: x.Decision.Because(r.Action)}).Error()
	}
	for _, f := range x.Findings {
		st := statement(f)
		out.Statements = append(out.Statements, st)
		if f.Policy == x.Decision.Deciding.Policy && f.Statement == x.Decision.Deciding.Statement {
			out.Deciding = &st
		}
	}
	return out, nil
}

func statement(f policy.Finding) Statement {
	return Statement{
		Kind: f.Policy.Kind.String(), Policy: f.Policy.Name, Sid: f.Statement.Sid, Number: f.Statement.Index + 1,
		Effect: f.Statement.Effect.String(), Matched: f.Outcome == policy.Matched, Why: f.Why,
	}
}

// Explain tells how a request would be decided.
func (c *Client) Explain(ctx context.Context, q Question) (Explanation, error) {
	return call[Explanation](ctx, c, http.MethodPost, "/explain", q)
}
