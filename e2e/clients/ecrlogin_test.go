package clients

import (
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"drydock/e2e/harness"
)

// Amazon's credential helper takes only registry names of AWS's shape and
// compares them with the proxyEndpoint it is answered, so this one has a server
// that goes by its AWS name.
func ecrLogin(t *testing.T, at *site) {
	helper := harness.Tool(t, "docker-credential-ecr-login")
	s := harness.Start(t, harness.Options{Args: []string{"--registry-host", "aws"}})
	_, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		t.Fatal(err)
	}
	run := harness.Runner{Dir: at.Dir, Env: s.AWSEnv()}.With(
		"HOME="+at.Dir, "AWS_ENDPOINT_URL_ECR="+s.URL(), "AWS_ECR_CACHE_DIR="+filepath.Join(at.Dir, "cache"))
	for _, name := range []string{
		s.Account + ".dkr.ecr." + s.Region + ".amazonaws.com",
		s.Account + ".dkr.ecr." + s.Region + ".amazonaws.com:" + port,
	} {
		out := run.Pipe(t, name, helper, "get")
		var login struct{ ServerURL, Username, Secret string }
		if err := json.Unmarshal([]byte(out), &login); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if login.Username != "AWS" || strings.Count(login.Secret, ".") != 2 {
			t.Errorf("%s: a login for %q with a password of %d bytes", name, login.Username, len(login.Secret))
		}
		a, err := harness.NewClient(s.URL(), login.Username, login.Secret).Send("GET", "/v2/", nil)
		if err != nil || a.Status != 200 {
			t.Errorf("%s: the registry answers the login with %v, %v", name, a, err)
		}
	}
	contains(t, "the logins", run.Run(t, helper, "list"), s.Account+".dkr.ecr."+s.Region+".amazonaws.com")
}
