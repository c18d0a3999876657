// Package e2e holds the promises made to a person with the aws CLI and docker,
// kept against a real server process: the main job, the lines people have in
// their notes, the protocol's own conformance tool, and what a server meets that
// is not well-meant or not well kept.
package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drydock/e2e/harness"
)

// helloImage builds an image of one static program and returns its id.
func helloImage(t *testing.T, docker harness.Runner, name string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "hello"), "./e2e/testdata/hello")
	cmd.Dir = harness.Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the image's program: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY hello /hello\nENTRYPOINT [\"/hello\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	docker.Run(t, "docker", "build", "-q", "-t", name, dir)
	return imageID(t, docker, name)
}

func imageID(t *testing.T, docker harness.Runner, name string) string {
	t.Helper()
	return strings.TrimSpace(docker.Run(t, "docker", "image", "inspect", "--format", "{{.Id}}", name))
}

// ensureAWS has the aws CLI installed where it is missing. What it returns stands
// before a command line that uses the CLI: empty, or a function for a CLI that is
// older than AWS_ENDPOINT_URL.
func ensureAWS(t *testing.T) (function string) {
	t.Helper()
	function, err := harness.Script(t, "ensure-aws")
	if err != nil {
		harness.Unavailable(t, "%v", err)
	}
	return function
}

func TestCreateARepositoryLogInPushAndPullBackTheSameBytes(t *testing.T) {
	harness.EndToEnd(t)
	aws := ensureAWS(t)
	s := harness.Start(t, harness.Options{})
	sh := harness.Docker(t, s.AWSEnv())

	uri := strings.TrimSpace(sh.Shell(t, aws+"aws ecr create-repository --repository-name team/hello --query repository.repositoryUri --output text"))
	if want := s.Host() + "/team/hello"; uri != want {
		t.Fatalf("the repository's address is %q, and not %q", uri, want)
	}
	registry, _, _ := strings.Cut(uri, "/")
	if out := sh.Shell(t, aws+"aws ecr get-login-password | docker login --username AWS --password-stdin "+registry); !strings.Contains(out, "Login Succeeded") {
		t.Errorf("docker login says %q", out)
	}
	id := helloImage(t, sh, uri+":latest")
	pushed := sh.Run(t, "docker", "push", uri+":latest")
	sh.Run(t, "docker", "rmi", uri+":latest")
	pulled := sh.Run(t, "docker", "pull", uri+":latest")
	if got := imageID(t, sh, uri+":latest"); got != id {
		t.Errorf("the image pulled is %s, the one pushed was %s", got, id)
	}
	if got := sh.Run(t, "docker", "run", "--rm", uri+":latest"); got != "hello from a scratch image\n" {
		t.Errorf("the pulled image says %q", got)
	}
	digest := strings.TrimSpace(sh.Shell(t, aws+"aws ecr describe-images --repository-name team/hello --query 'imageDetails[0].imageDigest' --output text"))
	if !strings.Contains(pushed, digest) || !strings.Contains(pulled, digest) {
		t.Errorf("the API knows the digest %s; docker push said\n%s\nand docker pull\n%s", digest, pushed, pulled)
	}
	out := sh.Run(t, "docker", "image", "inspect", "--format", "{{join .RepoDigests \" \"}}", uri+":latest")
	if strings.TrimSpace(out) != uri+"@"+digest {
		t.Errorf("docker knows the pulled image as %s", out)
	}
	sh.Run(t, "docker", "rmi", "-f", uri+":latest")
}

func TestDockerSaysWhatECRSaysWhenTheRepositoryIsMissingOrThePasswordWrong(t *testing.T) {
	harness.EndToEnd(t)
	s := harness.Start(t, harness.Options{})
	sh := harness.Docker(t, s.AWSEnv())
	ref := s.Host() + "/never/created:latest"
	helloImage(t, sh, ref)
	t.Cleanup(func() { sh.Run(t, "docker", "rmi", "-f", ref) })

	if _, err := sh.Try("", "docker", "push", ref); err == nil || !strings.Contains(err.Error(), "no basic auth credentials") {
		t.Errorf("without a login docker says %v", err)
	}
	if _, err := sh.Try("not-a-password", "docker", "login", "--username", "AWS", "--password-stdin", s.Host()); err == nil {
		t.Error("a wrong password logs in")
	}
	sh.Pipe(t, s.Password(t), "docker", "login", "--username", "AWS", "--password-stdin", s.Host())
	want := "The repository with name 'never/created' does not exist in the registry with id '" + s.Account + "'"
	if _, err := sh.Try("", "docker", "push", ref); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("docker says %v, and not %q", err, want)
	}
}
