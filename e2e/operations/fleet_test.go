package operations

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drydock/e2e/harness"
)

// fleetAddress and bucketAddress are those of docker-compose.yml.
const (
	fleetAddress  = "127.0.0.1:5001"
	bucketAddress = "127.0.0.1:7070"
)

// compose is a shell in a folder with what docker-compose.yml needs. Its lines are
// those of the manual.
type compose struct {
	harness.Runner
	prelude string
}

func (c compose) do(t *testing.T, lines string) string {
	t.Helper()
	return c.Shell(t, c.prelude+lines)
}

func newCompose(t *testing.T) compose {
	t.Helper()
	for _, address := range []string{fleetAddress, bucketAddress} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			harness.Unavailable(t, "the fleet's port is needed: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Containers find each other on a network of their own, whose packets the Engine
	// has to let pass.
	t.Setenv("DRYDOCK_ENGINE_FLAGS", "--bridge=none")
	c := compose{Runner: harness.Docker(t, harness.Environ("AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null"))}
	c.prelude = "make() { :; }\n" // the program is here already
	if _, err := c.Try("", "docker", "compose", "version"); err != nil {
		if _, err := harness.Script(t, "ensure-command", "docker-compose"); err != nil {
			harness.Unavailable(t, "%v", err)
		}
		c.prelude += `docker() { if [ "$1" = compose ]; then shift; docker-compose "$@"; else command docker "$@"; fi; }` + "\n"
	}
	if _, err := harness.Script(t, "ensure-aws"); err != nil {
		harness.Unavailable(t, "%v", err)
	}

	root := harness.Root(t)
	c.Dir = t.TempDir()
	for _, name := range []string{"docker-compose.yml", "Dockerfile", ".dockerignore", "fleet"} {
		c.Run(t, "cp", "-r", filepath.Join(root, name), c.Dir)
	}
	if err := os.Mkdir(filepath.Join(c.Dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Run(t, "cp", harness.Binary(t), filepath.Join(c.Dir, "bin", "drydock"))

	images := exec.Command(filepath.Join(root, "scripts", "fleet-images"))
	images.Env = append(c.Env, "GOFLAGS="+os.Getenv("GOFLAGS"))
	var news strings.Builder
	images.Stderr = &news
	exports, err := images.Output()
	if err != nil {
		harness.Unavailable(t, "scripts/fleet-images: %v\n%s", err, news.String())
	}
	c.prelude += string(exports)
	c.Runner = c.With("COMPOSE_PROJECT_NAME=drydock-operations")
	t.Cleanup(func() {
		if t.Failed() {
			logs, err := c.Try("", "bash", "-c", c.prelude+"docker compose --profile fleet logs --tail 30")
			t.Logf("the containers' last words (%v):\n%s", err, logs)
		}
		if _, err := c.Try("", "bash", "-c", c.prelude+"docker compose --profile fleet down --volumes"); err != nil {
			t.Error(err)
		}
	})
	return c
}

// ready waits until the fleet can do its work.
func (c compose) ready(t *testing.T) {
	t.Helper()
	s := &harness.Server{Listen: fleetAddress}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		code, _, err := s.Get("/readyz")
		if code == 200 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the fleet is not ready: %d, %v", code, err)
		}
	}
}

// patient does again what failed, as registry clients do: four times, with pauses.
func patient(do func(n int) error) func(n int) error {
	return func(n int) (err error) {
		for pause := 250 * time.Millisecond; pause <= 4*time.Second; pause *= 2 {
			if err = do(n); err == nil {
				return nil
			}
			time.Sleep(pause)
		}
		return err
	}
}

func TestTheFleetIsRunUpgradedCopiedAndRestoredAsTheManualSays(t *testing.T) {
	harness.EndToEnd(t)
	if os.Getenv("DRYDOCK_LONG") == "" {
		t.Skip("makes images and starts containers, for two minutes: run it with DRYDOCK_LONG=1")
	}
	c, m := newCompose(t), readManual(t)
	environment := c.do(t, replace(t, m.block(t, "Run a fleet", 0), `eval "$(docker compose exec`, `echo "$(docker compose exec`))
	c.ready(t)
	createRepository(t, "http://"+fleetAddress, environment)
	password := strings.TrimSpace(c.do(t, "docker compose exec -T drydock-2 /drydock get-login-password"))
	client := harness.NewClient("http://"+fleetAddress, "AWS", password)

	p := startPushing(patient(func(n int) error { return pushImage(client, n) }))
	c.do(t, m.block(t, "Upgrade", 0))
	upgraded := p.count()
	if upgraded < 10 {
		t.Errorf("only %d images were pushed during the upgrade", upgraded)
	}
	c.do(t, m.block(t, "The fleet", 0))
	copied := p.count()
	time.Sleep(time.Second)
	all := p.end(t)
	if all <= copied {
		t.Errorf("%d images, and %d when the copy had ended: nothing was pushed meanwhile", all, copied)
	}
	whole(t, client, all)

	c.do(t, "docker compose --profile fleet down --volumes")
	said := c.do(t, m.block(t, "The fleet", 1))
	c.ready(t)
	n := whole(t, harness.NewClient("http://"+fleetAddress, "AWS", password), upgraded)
	t.Logf("%d images after the upgrade, %d when the copy had ended, %d in the end; %d restored\n%s", upgraded, copied, all, n, said)
	if n > copied+1 {
		t.Errorf("%d images are there, and not more than %d were when the copy had ended", n, copied)
	}
	c.do(t, "docker compose exec -T drydock-2 /drydock verify --deep")
}
