package declare

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drydock/auth"
	"drydock/auth/identity"
)

func TestWhatIsDeclaredIsMadeSo(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	l.env["CI_SECRET"] = "the-secret-of-ci-1"
	l.write(t, "root.secret", "the-secret-of-the-root\n")
	l.write(t, "pull.json", "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"ecr:BatchGetImage\", \"Resource\": \"*\"}\n}\n")
	text := `
accounts:
  - {id: "222233334444", name: partner, access_keys: [{id: AKIAPARTNERROOT1, secret_file: root.secret}]}
policies:
  - {name: pull, path: /teams/, description: to pull, document: {file: pull.json}, tags: {team: a}}
  - {name: limit, document: ` + allow("ecr:*") + `}
groups:
  - {name: devs, path: /g/, policies: [pull], inline: {log-in: ` + allow("ecr:GetAuthorizationToken") + `}}
users:
  - name: ci
    path: /robots/
    groups: [devs]
    policies: [pull, ` + readOnly + `]
    inline: {push: ` + allow("ecr:PutImage") + `}
    boundary: limit
    tags: {team: a, cost: 0012}
    access_keys:
      - {id: AKIACICICICICICI, secret_env: CI_SECRET}
      - {id: AKIAOFFOFFOFFOFF, plain_secret: not-much-of-a-secret, active: false}
  - {name: ci, account: "222233334444"}
roles:
  - name: deploy
    path: /r/
    description: to deploy
    max_session: 90m
    trust: ` + trust("arn:aws:iam::123456789012:user/robots/ci") + `
    policies: [arn:aws:iam::123456789012:policy/teams/pull]
    boundary: arn:aws:iam::123456789012:policy/limit
    tags: {team: b}
`
	l.applied(t, text)

	if a, err := l.Account(ctx, partner); err != nil || a.Name != "partner" {
		t.Errorf("the account: %+v, %v", a, err)
	}
	for id, want := range map[string]auth.Credential{
		"AKIAPARTNERROOT1": {SecretAccessKey: "the-secret-of-the-root", Principal: auth.Principal{ARN: "arn:aws:iam::222233334444:root"}},
		"AKIACICICICICICI": {SecretAccessKey: "the-secret-of-ci-1", Principal: auth.Principal{ARN: "arn:aws:iam::123456789012:user/robots/ci"}},
	} {
		if c, err := l.Lookup(ctx, id); err != nil || c.SecretAccessKey != want.SecretAccessKey || c.Principal.ARN != want.Principal.ARN {
			t.Errorf("key %s: %+v, %v", id, c, err)
		}
	}
	if _, err := l.Lookup(ctx, "AKIAOFFOFFOFFOFF"); !errors.Is(err, auth.ErrUnknownKey) {
		t.Errorf("the key that is off: %v", err)
	}
	pull := "arn:aws:iam::123456789012:policy/teams/pull"
	for name, got := range map[string][2]string{
		"the user's policies":  {l.attached(t, aUser("ci")), pull + " " + readOnly},
		"the group's policies": {l.attached(t, aGroup("devs")), pull},
		"the role's policies":  {l.attached(t, aRole("deploy")), pull},
		"the user's inline":    {l.inline(t, aUser("ci")), "push"},
		"the group's inline":   {l.inline(t, aGroup("devs")), "log-in"},
		"the user's groups":    {l.groupsOf(t, "ci"), "devs"},
		"the user's tags":      {l.tagsOf(t, aUser("ci")), "map[cost:0012 team:a]"},
		"the role's tags":      {l.tagsOf(t, aRole("deploy")), "map[team:b]"},
		"the policy's tags":    {l.tagsOf(t, identity.Entity{Kind: identity.KindPolicy, Name: pull}), "map[team:a]"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %s, want %s", name, got[0], got[1])
		}
	}
	u, err := l.User(ctx, home, "ci")
	if err != nil || u.ARN() != "arn:aws:iam::123456789012:user/robots/ci" || u.Boundary != "arn:aws:iam::123456789012:policy/limit" {
		t.Errorf("the user: %+v, %v", u, err)
	}
	r, err := l.Role(ctx, home, "deploy")
	if err != nil || r.Path != "/r/" || r.Description != "to deploy" || r.MaxSession.String() != "1h30m0s" || r.Boundary != u.Boundary ||
		!strings.Contains(r.Trust, `"Principal":{"AWS":"arn:aws:iam::123456789012:user/robots/ci"}`) {
		t.Errorf("the role: %+v, %v", r, err)
	}
	// A document of a file stays as it is laid out.
	v, err := l.PolicyVersion(ctx, home, pull, "v1")
	if err != nil || !strings.HasPrefix(v.Document, "{\n  \"Version\"") {
		t.Errorf("the policy: %+v, %v", v, err)
	}
	if _, err := l.User(ctx, partner, "ci"); err != nil {
		t.Error(err)
	}
}

func (l *lab) tagsOf(t *testing.T, e identity.Entity) string {
	t.Helper()
	tags, err := l.TagsOf(t.Context(), home, e)
	must(t, err)
	return fmt.Sprint(tags)
}

func TestWhatChangedInTheFileIsChangedAndNothingElse(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	l.applied(t, `
accounts: [{id: "222233334444", name: partner}]
policies:
  - {name: pull, description: one, document: `+allow("ecr:BatchGetImage")+`}
groups: [{name: devs}, {name: ops}]
users:
  - {name: ci, groups: [devs], policies: [pull, `+readOnly+`], inline: {a: `+allow("ecr:*")+`, b: `+allow("ecr:*")+`}, boundary: pull, tags: {team: a, cost: low},
     access_keys: [{id: AKIACICICICICICI, plain_secret: the-first-secret}]}
roles:
  - {name: deploy, trust: `+trust(home)+`, policies: [pull], boundary: pull}
`)
	l.applied(t, `
accounts: [{id: "222233334444", name: friend}]
policies:
  - {name: pull, description: two, document: `+allow("ecr:ListImages")+`, tags: {team: a}}
groups: [{name: devs, path: /g/}, {name: Ops, policies: [pull]}]
users:
  - {name: CI, path: /robots/, groups: [ops], policies: [`+powerUser+`], inline: {b: `+allow("ecr:PutImage")+`}, boundary: "", tags: {Team: b},
     access_keys: [{id: AKIACICICICICICI, plain_secret: the-second-secret, active: false}]}
roles:
  - {name: deploy, description: to deploy, max_session: 2h, trust: `+trust(partner)+`, policies: [], boundary: `+readOnly+`}
`,
		"account 222233334444: call the account friend",
		"policy pull: describe the policy",
		"policy pull: put the document in force",
		"policy pull: tag it with team",
		"group devs: rename the group arn:aws:iam::123456789012:group/devs",
		"group Ops: rename the group arn:aws:iam::123456789012:group/ops",
		"group Ops: attach arn:aws:iam::123456789012:policy/pull",
		"user CI: rename the user arn:aws:iam::123456789012:user/ci",
		"user CI: take the permissions boundary away",
		"user CI: tag it with Team",
		"user CI: detach arn:aws:iam::123456789012:policy/pull",
		"user CI: detach "+readOnly,
		"user CI: attach "+powerUser,
		"user CI: remove inline policy a",
		"user CI, inline b: embed it",
		"user CI: leave group devs",
		"user CI: join group ops",
		"user CI, access key AKIACICICICICICI: replace its secret, and make void the passwords fetched with the old one",
		"user CI, access key AKIACICICICICICI: switch it off",
		"role deploy: describe the role",
		"role deploy: limit its sessions to 2h0m0s",
		"role deploy: set who may assume it",
		"role deploy: set the permissions boundary to "+readOnly,
		"role deploy: detach arn:aws:iam::123456789012:policy/pull",
	)
	u, err := l.User(ctx, home, "ci")
	if err != nil || u.ARN() != "arn:aws:iam::123456789012:user/robots/CI" || u.Boundary != "" {
		t.Errorf("%+v, %v", u, err)
	}
	if got := l.tagsOf(t, aUser("ci")); got != "map[Team:b cost:low]" {
		t.Errorf("tags %s", got)
	}
	versions, _, err := l.PolicyVersions(ctx, home, "arn:aws:iam::123456789012:policy/pull", identity.Page{Limit: 9})
	if err != nil || len(versions) != 2 || !versions[0].Default || !strings.Contains(versions[0].Document, "ecr:ListImages") {
		t.Errorf("%+v, %v", versions, err)
	}
	if got := l.inline(t, aUser("ci")) + l.attached(t, aUser("ci")) + l.groupsOf(t, "ci") + l.attached(t, aRole("deploy")); got != "b"+powerUser+"Ops" {
		t.Errorf("got %s", got)
	}
}

func TestWhatIsNotDeclaredIsLeftAlone(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	full := `
policies: [{name: pull, path: /p/, description: one, document: ` + allow("ecr:*") + `}]
groups: [{name: devs, path: /g/, policies: [pull], inline: {a: ` + allow("ecr:*") + `}}]
users:
  - {name: ci, path: /u/, groups: [devs], policies: [pull], inline: {a: ` + allow("ecr:*") + `}, boundary: pull, tags: {team: a},
     access_keys: [{id: AKIACICICICICICI, plain_secret: the-first-secret}]}
  - {name: other}
roles: [{name: deploy, path: /r/, description: one, max_session: 2h, trust: ` + trust(home) + `, policies: [pull], boundary: pull}]
`
	l.applied(t, full)
	must(t, l.SetAccessKeyActive(ctx, home, "ci", "AKIACICICICICICI", false))
	_, err := l.CreateAccessKey(ctx, home, "ci")
	must(t, err, l.Tag(ctx, home, aUser("ci"), map[string]string{"cost": "low"}))
	// The same file neither switches the key on nor minds the other key and tag.
	l.settled(t, full)
	l.settled(t, `
policies: [{name: pull, document: `+allow("ecr:*")+`}]
groups: [{name: devs}]
users: [{name: ci}]
roles: [{name: deploy, trust: `+trust(home)+`}]
`)
	l.settled(t, "# nothing\n")
	if _, err := l.User(ctx, home, "other"); err != nil {
		t.Error(err)
	}
}

func TestADocumentThatSaysTheSameIsTheSame(t *testing.T) {
	l := newLab(t)
	_, err := l.CreatePolicy(t.Context(), home, identity.NewPolicy{Name: "pull",
		Document: "{ \"Statement\" : [{\"Resource\":\"*\", \"Action\":[\"ecr:*\"],\n\"Effect\":\"Allow\"}], \"Version\":\"2012-10-17\"}"})
	must(t, err)
	l.settled(t, `policies: [{name: pull, document: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: ["ecr:*"], Resource: "*"}]}}]`)
}

func TestTheOldestVersionMakesRoomForANewOne(t *testing.T) {
	l := newLab(t)
	declared := func(n int) string {
		return fmt.Sprintf("policies: [{name: pull, document: %s}]", allow(fmt.Sprintf("ecr:Get%d", n)))
	}
	for n := range 7 {
		l.applied(t, declared(n))
	}
	versions, _, err := l.PolicyVersions(t.Context(), home, "arn:aws:iam::123456789012:policy/pull", identity.Page{Limit: 9})
	if err != nil || len(versions) != 5 || versions[0].ID() != "v7" || versions[4].ID() != "v3" {
		t.Errorf("%+v, %v", versions, err)
	}
	// The one in force is kept, be it the oldest.
	must(t, l.SetDefaultPolicyVersion(t.Context(), home, "arn:aws:iam::123456789012:policy/pull", "v3"))
	l.applied(t, declared(9), "policy pull: delete version v4, the oldest that is not in force", "policy pull: put the document in force")
}

func TestInlinePoliciesGrowAndShrinkWithinTheirQuota(t *testing.T) {
	l := newLab(t)
	// Together they may have 2048 characters.
	big := allow("ecr:" + strings.Repeat("x", 1500))
	small := allow("ecr:y")
	l.applied(t, `users: [{name: ci, inline: {a: `+big+`, b: `+small+`}}]`)
	l.applied(t, `users: [{name: ci, inline: {b: `+big+`, a: `+small+`}}]`, "user ci, inline a: embed it", "user ci, inline b: embed it")
	l.applied(t, `users: [{name: ci, inline: {a: `+big+`, b: `+small+`}}]`, "user ci, inline b: embed it", "user ci, inline a: embed it")
}

func TestAFailureHalfWayIsMendedByTheNextStart(t *testing.T) {
	text := `
accounts: [{id: "222233334444", name: partner, access_keys: [{id: AKIAPARTNERROOT1, plain_secret: the-secret-of-root}]}]
policies: [{name: pull, document: ` + allow("ecr:*") + `, tags: {a: b}}]
groups: [{name: devs, policies: [pull]}]
users:
  - {name: ci, groups: [devs], policies: [pull], inline: {a: ` + allow("ecr:*") + `}, boundary: pull, tags: {team: a},
     access_keys: [{id: AKIACICICICICICI, plain_secret: the-first-secret, active: false}]}
roles: [{name: deploy, trust: ` + trust("arn:aws:iam::123456789012:user/ci") + `, policies: [pull]}]
`
	whole := newLab(t)
	whole.applied(t, text)
	steps := 0
	for failing := 1; ; failing++ {
		l := newLab(t)
		l.db.failing = l.db.writes + failing
		_, err := l.apply(t, text)
		l.db.failing = 0
		if err == nil {
			break
		}
		if steps++; !errors.Is(err, errNoMore) || !strings.Contains(err.Error(), "iam.yaml, line ") {
			t.Fatalf("the failure is told as %v", err)
		}
		l.applied(t, text)
		if l.attached(t, aUser("ci")) != whole.attached(t, aUser("ci")) || l.attached(t, aRole("deploy")) != whole.attached(t, aRole("deploy")) {
			t.Errorf("after a failure at write %d the next start does not make all of it", failing)
		}
	}
	if steps < 10 {
		t.Errorf("only %d steps could fail", steps)
	}
}

func TestNothingIsWrittenOfAFileWithAMistake(t *testing.T) {
	l := newLab(t)
	writes := l.db.writes
	for _, mistake := range []string{"roles: [{name: x, trust: " + trust("arn:aws:iam::123456789012:user/nobody") + "}]", "users: [{name: x, polices: []}]"} {
		_, err := l.apply(t, "groups: [{name: devs}]\n"+mistake)
		if err == nil || l.db.writes != writes {
			t.Errorf("%s: %v, and %d transactions", mistake, err, l.db.writes-writes)
		}
	}
}

func TestJSONIsReadAsWell(t *testing.T) {
	l := newLab(t)
	l.applied(t, "{\n\t\"users\": [\n\t\t{\"name\": \"ci\", \"tags\": {\"mail\": \"ci@lab\", \"no\": 12},\n\t\t \"inline\": {\"a\": {\"Version\": \"2012-10-17\", \"Statement\": {\"Sid\": \"\\u0041\", \"Effect\": \"Allow\", \"Action\": \"ecr:*\", \"Resource\": \"*\", \"Condition\": {\"Bool\": {\"aws:SecureTransport\": true}}}}}}\n\t]\n}\n")
	if got := l.tagsOf(t, aUser("ci")); got != "map[mail:ci@lab no:12]" {
		t.Errorf("tags %s", got)
	}
	document, err := l.Inline(t.Context(), home, aUser("ci"), "a")
	if err != nil || !strings.Contains(document, `"Sid":"A"`) || !strings.Contains(document, `"aws:SecureTransport":"true"`) {
		t.Errorf("%s, %v", document, err)
	}
	_, err = l.apply(t, "{\n\t\"users\": [\n\t\t{\"name\": \"ci\",\n\t\t \"tag\": {}}\n\t]\n}\n")
	if err == nil || !strings.Contains(err.Error(), `iam.yaml, line 4: user ci: there is no key "tag"; did you mean tags?`) {
		t.Errorf("got %v", err)
	}
}

func TestAnchorsStandForWhatTheyName(t *testing.T) {
	l := newLab(t)
	l.applied(t, `
groups:
  - {name: devs, inline: {a: &log-in `+allow("ecr:GetAuthorizationToken")+`}}
  - {name: ops, inline: {a: *log-in}}
`, "group devs: create the group", "group devs, inline a: embed it", "group ops: create the group", "group ops, inline a: embed it")
}

// TestTheExampleDoesWhatItSays applies docs/examples/iam.yaml.
func TestTheExampleDoesWhatItSays(t *testing.T) {
	l := newLab(t)
	l.env["LAB_CI_SECRET"], l.env["LAB_PARTNER_SECRET"] = "the-secret-of-ci-1", "the-secret-of-the-partner"
	path := filepath.Join("..", "..", "docs", "examples", "iam.yaml")
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(l.folder, "policies"), 0o700))
	limit, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", "policies", "only-team-a.json"))
	must(t, err)
	l.write(t, filepath.Join("policies", "only-team-a.json"), string(limit))
	l.applied(t, string(text))

	d, err := l.read(path)
	must(t, err)
	if issuers := d.Issuers(); len(issuers) != 1 || issuers[0].URL != "https://gitlab.lab.example" || issuers[0].JWKS != "https://gitlab.lab.example/oauth/discovery/keys" {
		t.Errorf("%+v", issuers)
	}
	c, err := l.Lookup(t.Context(), "AKIALABCI0000001")
	if err != nil || c.SecretAccessKey != l.env["LAB_CI_SECRET"] || c.Principal.ARN != "arn:aws:iam::123456789012:user/ci" {
		t.Errorf("%+v, %v", c, err)
	}
	if l.groupsOf(t, "dora") != "team-a" || l.attached(t, aGroup("team-a")) != "arn:aws:iam::123456789012:policy/teams/team-a-pull" {
		t.Error("dora does not get her policy")
	}
}
