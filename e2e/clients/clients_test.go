// Package clients runs the programs that people use with registries against a
// real server: each logs in with the password from the API, pushes, pulls back,
// and compares digests. One file a family of clients.
//
// The clients that are quick to get run in `make test`; DRYDOCK_CLIENTS=all adds
// the others (`make test-clients`).
package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drydock/e2e/harness"
)

// site is where one client works: a repository of its own on the server that all
// share, a home of its own, and images to push.
type site struct {
	harness.Runner
	server *harness.Server
	// host is the registry's name with the port; repo a repository that is there,
	// and ref the repository's whole name.
	host, repo, ref string
	password        string
	// image and index are layouts whose entry v1 is one image and a multi-arch
	// index, with their digests.
	image, index             *harness.Layout
	imageDigest, indexDigest string
}

func TestEveryClientLogsInPushesAndPullsBackTheSame(t *testing.T) {
	harness.EndToEnd(t)
	all := os.Getenv("DRYDOCK_CLIENTS") == "all"
	s := harness.Start(t, harness.Options{})
	image, index := harness.NewLayout(t, 1), harness.NewLayout(t, 2)
	imageDigest := image.Entry("v1", image.Image("amd64", 100_000))
	indexDigest := index.Entry("v1", index.Index(index.Image("amd64", 200_000), index.Image("arm64", 300_000)))

	for _, c := range []struct {
		name string
		// slow ones take minutes to build where nothing is cached.
		slow bool
		test func(*testing.T, *site)
	}{
		{"crane", false, crane},
		{"regctl", false, regctl},
		{"oras", false, oras},
		{"docker-credential-ecr-login", false, ecrLogin},
		{"skopeo", false, skopeo},
		{"podman", false, podman},
		{"buildah", false, buildah},
		{"helm", true, helm},
		{"cosign", true, cosign},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.slow && !all {
				t.Skip("slow to build; it runs in `make test-clients`")
			}
			home := t.TempDir()
			at := &site{
				server: s, host: s.Host(), repo: "clients/" + c.name, password: s.Password(t),
				image: image, index: index, imageDigest: imageDigest, indexDigest: indexDigest,
				Runner: harness.Runner{Dir: home, Env: harness.Environ(
					"HOME="+home, "DOCKER_CONFIG="+filepath.Join(home, ".docker"),
					"REGISTRY_AUTH_FILE="+filepath.Join(home, "auth.json"),
				)},
			}
			at.ref = at.host + "/" + at.repo
			if got := s.CreateRepository(t, at.repo); got != at.ref {
				t.Errorf("the repository's address is %q, and not %q", got, at.ref)
			}
			c.test(t, at)
		})
	}
}

// equal compares digests that clients print with a line break.
func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got = strings.TrimSpace(got); got != want {
		t.Errorf("%s: %s, and not %s", what, got, want)
	}
}

// trim drops the line break that clients print.
func trim(s string) string { return strings.TrimSpace(s) }

// contains checks a client's output.
func contains(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: no %s in\n%s", what, want, got)
	}
}
