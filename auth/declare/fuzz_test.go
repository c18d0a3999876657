package declare

import (
	"encoding/json"
	"strings"
	"testing"

	"drydock/auth/policy"
)

// FuzzRead holds the reader to ending, to one sentence for what it refuses, and to
// documents that are what the policy engine has read.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"users: [{name: ci, policies: [a], tags: {a: b}}]",
		"policies:\n  - name: p\n    document: " + allow("ecr:*"),
		`{"roles": [{"name": "r", "trust": {"Version": "2012-10-17"}}]}`,
		"users: &a [*a]",
		"policies: [{name: p, document: &a {b: *a}}]",
		"accounts: [{id: '222233334444', access_keys: [{id: AKIACICICICICICI, plain_secret: 0123456789abcdef}]}]",
		"oidc_providers: [{issuer: 'https://a', audiences: [b], jwks_url: 'https://c'}]",
		"? [a]\n: b", "--- !!binary a", "{\"a\":\t1}", "%YAML 1.2\n---\nusers: ~",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := &reader{file: "iam.yaml", folder: "/nowhere", account: home, lookupEnv: func(string) (string, bool) { return "", false }}
		d := r.declaration([]byte(text))
		if r.err != nil {
			if s := r.err.Error(); !strings.HasPrefix(s, "iam.yaml") {
				t.Errorf("the refusal does not name the file: %q", s)
			}
			return
		}
		for _, p := range d.policies {
			if !json.Valid([]byte(p.document.text)) {
				t.Errorf("the document is not JSON: %s", p.document.text)
			}
			if _, err := policy.Parse([]byte(p.document.text), policy.Identity); err != nil {
				t.Errorf("the document is refused as it is stored: %v", err)
			}
			if !same(p.document.text, p.document.text+" ") {
				t.Errorf("the document is not the same as itself: %s", p.document.text)
			}
		}
	})
}
