package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drydock/e2e/harness"
)

// The lines below stand in people's notes and scripts, made for Amazon's own
// registry. They have to work as they are, with nothing but names in /etc/hosts
// and a certificate authority to trust.
const (
	notesAccount  = "1234567890"
	notesRegion   = "eu-west-1"
	notesRegistry = "1234567890.dkr.ecr.eu-west-1.amazonaws.com"

	getLogin         = `$(aws ecr get-login --no-include-email --region eu-west-1)`
	getLoginPassword = `aws ecr get-login-password --region eu-west-1 | docker login --username AWS --password-stdin 1234567890.dkr.ecr.eu-west-1.amazonaws.com`
	push             = `docker push 1234567890.dkr.ecr.eu-west-1.amazonaws.com/demo:latest`
	pull             = `docker pull 1234567890.dkr.ecr.eu-west-1.amazonaws.com/demo:latest`
)

func TestTheLinesInPeoplesNotesWorkAsTheyAre(t *testing.T) {
	harness.EndToEnd(t)
	if l, err := net.Listen("tcp", "127.0.0.1:443"); err != nil {
		harness.Unavailable(t, "port 443 is needed: %v", err)
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		harness.Unavailable(t, "only root can put names into /etc/hosts")
	}
	ensureAWS(t)
	if _, err := harness.Script(t, "ensure-aws", "--v2"); err != nil {
		harness.Unavailable(t, "%v", err)
	}
	s := harness.Start(t, harness.Options{
		Account: notesAccount, Region: notesRegion, Listen: "127.0.0.1:443", Args: []string{"--registry-host", "aws"},
	})
	trust(t, s)

	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(drydock(t, "trust", "--data", s.Data)), 0o644); err != nil {
		t.Fatal(err)
	}
	sh := harness.Docker(t, harness.Environ(
		"AWS_ACCESS_KEY_ID="+harness.RootKey, "AWS_SECRET_ACCESS_KEY="+harness.RootSecret,
		"AWS_CA_BUNDLE="+ca, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=",
	))
	ref := notesRegistry + "/demo:latest"
	id := helloImage(t, sh, ref)
	uri := sh.Shell(t, "aws ecr create-repository --region eu-west-1 --repository-name demo --query repository.repositoryUri --output text")
	if strings.TrimSpace(uri) != notesRegistry+"/demo" {
		t.Errorf("the repository's address is %s", uri)
	}

	for _, c := range []struct {
		name    string
		version int
		login   string
	}{
		{"get-login of version 1", 1, getLogin},
		{"get-login-password of version 1", 1, getLoginPassword},
		{"get-login-password of version 2", 2, getLoginPassword},
	} {
		t.Run(c.name, func(t *testing.T) {
			sh := sh.With("DOCKER_CONFIG="+t.TempDir(), "PATH="+pathWithAWS(t, c.version))
			if _, err := sh.Try("", "bash", "-c", push); err == nil {
				t.Error("docker pushes without a login")
			}
			if out := sh.Shell(t, c.login); !strings.Contains(out, "Login Succeeded") {
				t.Errorf("docker login says %q", out)
			}
			sh.Shell(t, push)
			sh.Run(t, "docker", "rmi", ref)
			sh.Shell(t, pull)
			if got := imageID(t, sh, ref); got != id {
				t.Errorf("the image pulled is %s, the one pushed was %s", got, id)
			}
			if got := sh.Run(t, "docker", "run", "--rm", ref); got != "hello from a scratch image\n" {
				t.Errorf("the pulled image says %q", got)
			}
		})
	}
	sh.Run(t, "docker", "rmi", ref)
}

// drydock runs a command of the program under test.
func drydock(t *testing.T, args ...string) string {
	t.Helper()
	return harness.Runner{Env: harness.Environ()}.Run(t, harness.Binary(t), args...)
}

// trust installs the server's authority and names on this machine until the
// test's end, and then checks that nothing of it is left.
func trust(t *testing.T, s *harness.Server) {
	t.Helper()
	authority := strings.TrimSpace(drydock(t, "trust", "--data", s.Data))
	hosts := read(t, "/etc/hosts")
	t.Cleanup(func() {
		drydock(t, "trust", "--remove", "--data", s.Data)
		if got := read(t, "/etc/hosts"); got != hosts {
			t.Errorf("/etc/hosts was\n%s\nand now is\n%s", hosts, got)
		}
		if strings.Contains(read(t, "/etc/ssl/certs/ca-certificates.crt"), authority) {
			t.Error("the server's authority is still among those that the system trusts")
		}
		if _, err := os.Stat("/etc/docker/certs.d/" + notesRegistry); !os.IsNotExist(err) {
			t.Errorf("docker's folder for the registry's certificate is still there: %v", err)
		}
	})
	t.Logf("trust --install: %s", drydock(t, "trust", "--install", "--data", s.Data))
	if !strings.Contains(read(t, "/etc/ssl/certs/ca-certificates.crt"), authority) {
		t.Error("the server's authority is not among those that the system trusts")
	}
	if read(t, "/etc/hosts") == hosts {
		t.Error("no name was put into /etc/hosts")
	}
	addresses, err := net.LookupHost(notesRegistry)
	if err != nil || addresses[0] != "127.0.0.1" {
		t.Errorf("%s is at %v, %v", notesRegistry, addresses, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// pathWithAWS is a PATH on which aws is the CLI of a major version.
func pathWithAWS(t *testing.T, major int) string {
	t.Helper()
	name := harness.AWSVersion(t, major)
	if name == "" {
		harness.Unavailable(t, "no aws CLI of version %d on this machine", major)
	}
	target, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(target, filepath.Join(dir, "aws")); err != nil {
		t.Fatal(err)
	}
	return dir + string(os.PathListSeparator) + os.Getenv("PATH")
}
