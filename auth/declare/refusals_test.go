package declare

import (
	"strings"
	"testing"

	"drydock/auth/identity"
)

func TestWhatIsWrongIsSaidWithFileLineAndEntity(t *testing.T) {
	const (
		secret = "plain_secret: a-secret-of-some-length"
		many   = "[a, b, c, d, e, f, g, h, i, j, k]"
	)
	long := strings.Repeat("x", 6200)
	for name, c := range map[string]struct{ text, want string }{
		"no YAML":                       {"users: [\n", "iam.yaml, line "},
		"YAML twice":                    {"users: []\n---\nusers: []\n", "iam.yaml: it holds more than one YAML document"},
		"a list at the top":             {"- users\n", "iam.yaml, line 1: here belong keys"},
		"an unknown section":            {"groups: []\nuser: []\n", `iam.yaml, line 2: there is no key "user"; did you mean users?`},
		"a section like none":           {"instance_profiles: []\n", `iam.yaml, line 1: there is no key "instance_profiles"; the keys here are accounts, policies`},
		"a section twice":               {"users: []\nusers: []\n", `iam.yaml, line 2: the key "users" is there twice`},
		"a section that is no list":     {"users:\n  ci: {}\n", "iam.yaml, line 2: users is a list"},
		"a section that is empty":       {"users:\n", "iam.yaml, line 1: users is a list; an empty one is []"},
		"an entry that is no mapping":   {"users:\n  - ci\n", "iam.yaml, line 2: user: here belong keys"},
		"an entry without a name":       {"users:\n  - path: /a/\n", "iam.yaml, line 2: user: it has no name"},
		"a list for a name":             {"users:\n  - name: [a]\n", "iam.yaml, line 2: user: name is one value"},
		"nothing for a value":           {"users:\n  - name: ci\n    path:\n", "iam.yaml, line 3: user ci: path is one value"},
		"an unknown key":                {"users:\n  - name: ci\n    polices: []\n", `iam.yaml, line 3: user ci: there is no key "polices"; did you mean policies?`},
		"a merge key":                   {"users:\n  - &a {name: ci}\n  - {<<: *a}\n", `iam.yaml, line 3: user: there is no key "<<"`},
		"a key that is a list":          {"users:\n  - [a]: b\n", "iam.yaml, line 2: user: a key is a plain word"},
		"a bad name":                    {"users:\n  - name: a/b\n", `iam.yaml, line 2: user a/b: "a/b" is no name for it: The specified value`},
		"a bad path":                    {"users:\n  - name: ci\n    path: /a\n", `iam.yaml, line 3: user ci: "/a" is not a path`},
		"a path that policies have not": {"policies:\n  - {name: p, path: '/a b/', document: " + allow("ecr:*") + "}\n", `iam.yaml, line 2: policy p: "/a b/" is not a path`},
		"a bad account":                 {"users:\n  - name: ci\n    account: 12\n", `iam.yaml, line 3: user ci: "12" is not an account id`},
		"an account that is not there":  {"users:\n  - {name: ci, account: '999999999999'}\n", "iam.yaml, line 2: user ci: there is no account 999999999999: declare it under accounts"},
		"a bad account id":              {"accounts: [{id: 12x}]\n", `iam.yaml, line 1: account 12x: "12x" is not an account id`},
		"a user twice":                  {"users:\n  - name: ci\n  - name: CI\n", "iam.yaml, line 3: user CI: it is declared twice, first on line 2"},
		"an account twice":              {"accounts: [{id: '222233334444'}, {id: '222233334444'}]\n", "account 222233334444: it is declared twice"},

		"a policy without a document":     {"policies:\n  - name: p\n", "iam.yaml, line 2: policy p: it has no document"},
		"a document that is a list":       {"policies:\n  - name: p\n    document: [a]\n", "iam.yaml, line 3: policy p: here belongs a policy document, or file:"},
		"a document that is wrong":        {"policies:\n  - name: p\n    document:\n      Version: 2012-10-17\n      Statement:\n        - Effect: Allow\n          Action: ecr:*\n          Resource: '*'\n        - Effect: Allow\n          Action: nothing\n          Resource: '*'\n", "iam.yaml, line 10: policy p: Actions/Conditions must be prefaced by a vendor"},
		"a document with a wrong element": {"policies:\n  - name: p\n    document:\n      Version: 2012-10-17\n      Statement:\n        - Effect: Allow\n          Action: ecr:*\n          Resources: '*'\n", "iam.yaml, line 8: policy p: Syntax errors in policy. ("},
		"a document with a principal":     {"policies:\n  - {name: p, document: " + trust(home) + "}\n", "iam.yaml, line 2: policy p: "},
		"a document of too much":          {"policies:\n  - {name: p, document: " + allow("ecr:"+long) + "}\n", "policy p: the policy document has 6"},
		"a document within itself":        {"policies:\n  - name: p\n    document: &a {Version: 2012-10-17, Statement: [*a]}\n", "iam.yaml, line 3: policy p: the policy document: it is nested too deep"},
		"a document with an odd key":      {"policies:\n  - {name: p, document: {[a]: b}}\n", "iam.yaml, line 2: policy p: the policy document: a key of it is not a plain word"},
		"a file that is not there":        {"policies:\n  - name: p\n    document: {file: none.json}\n", "iam.yaml, line 3: policy p: reading the policy document: open "},
		"a file without a name":           {"policies:\n  - {name: p, document: {file: []}}\n", "policy p: file: is followed by the name of a file"},
		"a file that is wrong":            {"policies:\n  - name: p\n    document:\n      file: wrong.json\n", "iam.yaml, line 4: policy p: wrong.json, line 3: Syntax errors in policy. ("},
		"a file that is no JSON":          {"policies:\n  - name: p\n    document: {file: broken.json}\n", "iam.yaml, line 3: policy p: broken.json, line 2: it is not JSON: invalid character"},
		"a file of YAML that is wrong":    {"policies:\n  - name: p\n    document: {file: wrong.yaml}\n", "iam.yaml, line 3: policy p: wrong.yaml, line 6: Actions/Conditions must be prefaced"},
		"a file that is no YAML":          {"policies:\n  - name: p\n    document: {file: broken.yaml}\n", "iam.yaml, line 3: policy p: broken.yaml, line "},
		"a file of no document":           {"policies:\n  - name: p\n    document: {file: list.yaml}\n", "iam.yaml, line 3: policy p: list.yaml: it is not a policy document"},
		"a trust policy that is wrong":    {"roles:\n  - name: r\n    trust: " + allow("sts:AssumeRole") + "\n", "iam.yaml, line 3: role r: "},
		"a role without trust":            {"roles:\n  - name: r\n", "iam.yaml, line 2: role r: it has no trust"},
		"an inline policy that is wrong":  {"users:\n  - name: ci\n    inline:\n      a: {Version: x}\n", "iam.yaml, line 4: user ci, inline a: Syntax errors in policy."},
		"an inline policy without name":   {"users:\n  - name: ci\n    inline:\n      a/b: " + allow("ecr:*") + "\n", `iam.yaml, line 4: user ci: "a/b" is no name for an inline policy`},
		"inline policies of too much":     {"users:\n  - name: ci\n    inline: {a: " + allow("ecr:"+long[:1100]) + ", b: " + allow("ecr:"+long[:1100]) + "}\n", "iam.yaml, line 3: user ci: the inline policies have together 2"},

		"a policy that is nowhere":           {"users:\n  - name: ci\n    policies:\n      - pul\npolicies: [{name: pull, document: " + allow("ecr:*") + "}]\n", "iam.yaml, line 4: user ci: there is no policy pul in account 123456789012; did you mean pull?"},
		"a policy of AWS's by its name":      {"users:\n  - name: ci\n    policies: [AmazonEC2ContainerRegistryReadonly]\n", "did you mean " + readOnly + "?"},
		"an ARN that is nowhere":             {"users:\n  - name: ci\n    policies: ['" + readOnly + "X']\n", "did you mean " + readOnly + "?"},
		"a policy of another account":        {"accounts: [{id: '222233334444'}]\npolicies: [{name: pull, account: '222233334444', document: " + allow("ecr:*") + "}]\nusers:\n  - {name: ci, policies: ['arn:aws:iam::222233334444:policy/pull']}\n", "iam.yaml, line 4: user ci: there is no policy arn:aws:iam::222233334444:policy/pull in account 123456789012"},
		"a policy twice":                     {"users:\n  - {name: ci, policies: [pull, pull]}\n", "iam.yaml, line 2: user ci: policies names pull twice"},
		"a policy by name and ARN":           {"policies: [{name: pull, document: " + allow("ecr:*") + "}]\nusers:\n  - {name: ci, policies: [pull, 'arn:aws:iam::123456789012:policy/pull']}\n", "user ci: policies names arn:aws:iam::123456789012:policy/pull twice"},
		"more policies than fit":             {"users:\n  - {name: ci, policies: " + many + "}\n", "user ci: there are 11 policies, and IAM attaches 10"},
		"a policy that is no name":           {"users:\n  - {name: ci, policies: [{}]}\n", "user ci: policies is a list of names"},
		"a boundary that is nowhere":         {"users:\n  - {name: ci, boundary: none}\n", "user ci: there is no policy none in account"},
		"a boundary for a group":             {"groups:\n  - {name: devs, boundary: none}\n", `group devs: there is no key "boundary"`},
		"a group that is nowhere":            {"groups: [{name: devs}]\nusers:\n  - {name: ci, groups: [dev]}\n", "iam.yaml, line 3: user ci: there is no group dev in account 123456789012; did you mean devs?"},
		"more groups than fit":               {"users:\n  - {name: ci, groups: " + many + "}\n", "user ci: a user is in at most 10 groups"},
		"a user who is not there is trusted": {"roles:\n  - name: r\n    trust: " + trust("arn:aws:iam::123456789012:user/none") + "\n", `iam.yaml, line 3: role r: Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/none"`},
		"a user is trusted by another path":  {"users: [{name: ci, path: /a/}]\nroles: [{name: r, trust: " + trust("arn:aws:iam::123456789012:user/ci") + "}]\n", "Invalid principal in policy"},
		"an account that is not is trusted":  {"roles: [{name: r, trust: " + trust("999999999999") + "}]\n", "Invalid principal in policy"},
		"an issuer that is not is trusted":   {"roles:\n  - name: r\n    trust: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {Federated: 'arn:aws:iam::123456789012:oidc-provider/gitlab.example'}, Action: sts:AssumeRoleWithWebIdentity}}\n", "iam.yaml, line 3: role r: the trust policy names arn:aws:iam::123456789012:oidc-provider/gitlab.example, which is not the ARN of an identity provider declared"},

		"a key without a secret":           {"users:\n  - name: ci\n    access_keys:\n      - id: AKIACICICICICICI\n", "iam.yaml, line 4: user ci, access key AKIACICICICICICI: it does not say where its secret is: give secret_file"},
		"a key with the secret as AWS has": {"users:\n  - name: ci\n    access_keys:\n      - {id: AKIACICICICICICI, secret: x}\n", `iam.yaml, line 4: user ci: there is no key "secret"`},
		"a key with two secrets":           {"users: [{name: ci, access_keys: [{id: AKIACICICICICICI, secret_env: A, " + secret + "}]}]\n", "it says in more than one way what its secret is"},
		"a key without an id":              {"users: [{name: ci, access_keys: [{" + secret + "}]}]\n", "user ci: an access key has an id"},
		"a key with a short id":            {"users: [{name: ci, access_keys: [{id: AKIA, " + secret + "}]}]\n", "user ci, access key AKIA: An access key id has 16 to 128 letters"},
		"a key with a short secret":        {"users: [{name: ci, access_keys: [{id: AKIACICICICICICI, plain_secret: short}]}]\n", "A secret access key has at least 16 characters"},
		"a key of a session":               {"users: [{name: ci, access_keys: [{id: ASIACICICICICICI, " + secret + "}]}]\n", "temporary credentials"},
		"a secret in no variable":          {"users:\n  - name: ci\n    access_keys:\n      - id: AKIACICICICICICI\n        secret_env: NONE\n", "iam.yaml, line 5: user ci, access key AKIACICICICICICI: the variable NONE is not set or empty"},
		"a secret in our own variable":     {"users: [{name: ci, access_keys: [{id: AKIACICICICICICI, secret_env: DRYDOCK_CI}]}]\n", "variables that begin with DRYDOCK_ are settings of the server: choose another name than DRYDOCK_CI"},
		"a secret in no file":              {"users: [{name: ci, access_keys: [{id: AKIACICICICICICI, secret_file: none}]}]\n", "access key AKIACICICICICICI: reading the secret: open "},
		"a secret in an empty file":        {"users: [{name: ci, access_keys: [{id: AKIACICICICICICI, secret_file: empty}]}]\n", "the file empty is not set or empty"},
		"a secret of two lines":            {"users: [{name: ci, access_keys: [{id: AKIACICICICICICI, secret_file: wrong.json}]}]\n", "the file wrong.json holds more than a secret"},
		"a key that is half active":        {"users: [{name: ci, access_keys: [{id: AKIACICICICICICI, " + secret + ", active: maybe}]}]\n", `active is true or false, not "maybe"`},
		"three keys":                       {"users: [{name: ci, access_keys: [{id: AKIACICICICICIC1, " + secret + "}, {id: AKIACICICICICIC2, " + secret + "}, {id: AKIACICICICICIC3, " + secret + "}]}]\n", "user ci: there are 3 access keys, and IAM gives 2"},
		"a key twice":                      {"users:\n  - {name: ci, access_keys: [{id: AKIACICICICICICI, " + secret + "}]}\n  - {name: eve, access_keys: [{id: AKIACICICICICICI, " + secret + "}]}\n", "iam.yaml, line 3: user eve, access key AKIACICICICICICI: it is declared twice, first on line 2"},
		"the root key as a user's":         {"users: [{name: ci, access_keys: [{id: AKIAROOTROOTROOT, " + secret + "}]}]\n", "access key AKIAROOTROOTROOT: there is such a key already, which is somebody else's in account 123456789012"},

		"a tag with a list":           {"users:\n  - name: ci\n    tags:\n      a: [b]\n", "iam.yaml, line 4: user ci: the tag a has one value"},
		"a tag of AWS's":              {"users: [{name: ci, tags: {'aws:x': y}}]\n", "the tag aws:x is AWS's"},
		"a tag with a strange key":    {"users: [{name: ci, tags: {'a*': y}}]\n", `"a*" cannot be the key of a tag`},
		"a tag with a strange value":  {"users: [{name: ci, tags: {a: '*'}}]\n", "the value of tag a has at most 256 letters"},
		"a tag twice":                 {"users: [{name: ci, tags: {a: x, A: y}}]\n", "the tag A is there twice"},
		"a long description":          {"roles: [{name: r, trust: " + trust(home) + ", description: " + long[:1001] + "}]\n", "a description has at most 1000 characters"},
		"a description in Greek":      {"roles: [{name: r, trust: " + trust(home) + ", description: λ}]\n", "Latin characters"},
		"a session of a day":          {"roles: [{name: r, trust: " + trust(home) + ", max_session: 24h}]\n", `"24h" is not a duration from 1h to 12h`},
		"a session of seconds":        {"roles: [{name: r, trust: " + trust(home) + ", max_session: 7200}]\n", `"7200" is not a duration from 1h to 12h`},
		"an issuer without keys":      {"oidc_providers:\n  - {issuer: 'https://a.example', audiences: [a]}\n", "iam.yaml, line 2: identity provider https://a.example: give either jwks_file"},
		"an issuer without audiences": {"oidc_providers: [{issuer: 'https://a.example', jwks_url: 'https://a.example/keys'}]\n", "audiences"},
		"an issuer with a missing file": {"oidc_providers: [{issuer: 'https://a.example', audiences: [a], jwks_file: none.json}]\n",
			"identity provider https://a.example: "},
		"an issuer twice": {"oidc_providers: [{issuer: 'https://a.example', audiences: [a], jwks_url: 'https://a.example/keys'}, {issuer: 'https://a.example', audiences: [b], jwks_url: 'https://a.example/keys'}]\n",
			"identity provider https://a.example: it is declared twice"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.write(t, "wrong.json", "{\n  \"Version\": \"2012-10-17\",\n  \"Statements\": []\n}\n")
			l.write(t, "broken.json", "{\n  \"Version\" \"2012-10-17\"\n}\n")
			l.write(t, "wrong.yaml", "# a comment\nVersion: 2012-10-17\nStatement:\n  # and another\n  - Effect: Allow\n    Action: nothing\n    Resource: '*'\n")
			l.write(t, "broken.yaml", "Version: [\n")
			l.write(t, "list.yaml", "- a\n")
			l.write(t, "empty", "\n")
			writes := l.db.writes
			changes, err := l.apply(t, c.text)
			switch {
			case err == nil || !strings.Contains(err.Error(), c.want):
				t.Errorf("got %v (changed %v), want %q", err, changes, c.want)
			case strings.Contains(err.Error(), "\n"):
				t.Errorf("more than one line: %q", err)
			case !strings.HasPrefix(err.Error(), l.folder):
				t.Errorf("the file is not named: %q", err)
			case l.db.writes != writes:
				t.Errorf("something was written before it was said that %v", err)
			}
		})
	}
}

func TestWhatDoesNotFitTheRecordsIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	const secret = "plain_secret: a-secret-of-some-length"
	l := newLab(t)
	ctx := t.Context()
	l.applied(t, `
accounts: [{id: "222233334444"}]
policies: [{name: pull, path: /p/, document: `+allow("ecr:*")+`}]
users:
  - {name: ci, access_keys: [{id: AKIACICICICICIC1, `+secret+`}, {id: AKIACICICICICIC2, `+secret+`}]}
  - {name: eve, account: "222233334444", access_keys: [{id: AKIAEVEEVEEVEEV1, `+secret+`}]}
roles: [{name: deploy, path: /r/, trust: `+trust(home)+`}]
`)
	tags := map[string]string{}
	for i := range identity.TagsPerEntity {
		tags[strings.Repeat("t", i+1)] = ""
	}
	must(t, l.Tag(ctx, home, aUser("ci"), tags))
	writes := l.db.writes
	for text, want := range map[string]string{
		"policies: [{name: pull, path: /q/, document: " + allow("ecr:*") + "}]":                        "iam.yaml, line 2: policy pull: there is arn:aws:iam::123456789012:policy/p/pull already, and neither the name nor the path of a policy can be changed",
		"policies: [{name: Pull, document: " + allow("ecr:*") + "}]":                                   "policy Pull: there is arn:aws:iam::123456789012:policy/p/pull already",
		"roles: [{name: deploy, path: /, trust: " + trust(home) + "}]":                                 "role deploy: there is arn:aws:iam::123456789012:role/r/deploy already",
		"users: [{name: ci, access_keys: [{id: AKIACICICICICIC3, " + secret + "}]}]":                   "user ci: with the access keys that are there (AKIACICICICICIC1, AKIACICICICICIC2) there would be 3, and IAM gives 2: delete one first",
		"users: [{name: bob, access_keys: [{id: AKIACICICICICIC1, " + secret + "}]}]":                  "access key AKIACICICICICIC1: there is such a key already, which is somebody else's in account 123456789012",
		"users: [{name: bob, access_keys: [{id: AKIAEVEEVEEVEEV1, " + secret + "}]}]":                  "somebody else's in account 222233334444",
		"users: [{name: ci, tags: {team: a}}]":                                                         "user ci: with the tags that it has there would be 51, and IAM takes 50",
		"roles: [{name: deploy, trust: " + trust("arn:aws:sts::123456789012:assumed-role/no/x") + "}]": "Invalid principal",
	} {
		if changes, err := l.apply(t, "groups: [{name: devs}]\n"+text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v (changed %v)\nwant %s", text, err, changes, want)
		}
	}
	if l.db.writes != writes {
		t.Errorf("%d transactions", l.db.writes-writes)
	}
	// These are there, and can be referred to without being declared.
	l.applied(t, `
users: [{name: bob, policies: [pull], boundary: pull}]
roles: [{name: other, trust: `+trust("arn:aws:sts::123456789012:assumed-role/deploy/x")+`}, {name: third, trust: `+trust("arn:aws:iam::222233334444:user/eve")+`}]
`)
}

func TestAFileThatIsNotThere(t *testing.T) {
	_, err := newLab(t).read("/nowhere/iam.yaml")
	if err == nil || !strings.Contains(err.Error(), "check --iam: open /nowhere/iam.yaml") {
		t.Errorf("got %v", err)
	}
}
