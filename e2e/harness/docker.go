package harness

import (
	"os"
	"strings"
	"testing"
)

// Docker gives a Runner whose docker command has an Engine that answers and a
// configuration of its own, so that no login of the user's is touched. An Engine
// that had to be started ends with the test.
func Docker(t testing.TB, env []string) Runner {
	t.Helper()
	// Not t.TempDir: the path of a unix socket is at most 107 bytes long, and
	// only root can remove what the Engine leaves.
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	out, err := Script(t, "ensure-docker", dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		Unavailable(t, "no Docker Engine: %v", err)
	}
	t.Cleanup(func() {
		if _, err := Script(t, "ensure-docker", "--stop", dir); err != nil {
			t.Error(err)
		}
	})
	for _, field := range strings.Fields(out) {
		if strings.HasPrefix(field, "DOCKER_HOST=") {
			env = append(env[:len(env):len(env)], field)
		}
	}
	return Runner{Env: env}.With("DOCKER_CONFIG=" + t.TempDir())
}
