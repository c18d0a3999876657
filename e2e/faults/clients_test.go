package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/e2e/harness"
	"drydock/storage/blob/s3/s3test"
)

// dockerImage builds an image whose layers nothing makes smaller, each of size
// bytes, and returns its id.
func dockerImage(t *testing.T, docker harness.Runner, name string, seed byte, layers, size int) string {
	t.Helper()
	dir := t.TempDir()
	file := "FROM scratch\n"
	for i := range layers {
		content := fmt.Sprintf("content%d", i)
		if err := os.WriteFile(filepath.Join(dir, content), noise(seed+byte(i), size), 0o644); err != nil {
			t.Fatal(err)
		}
		file += fmt.Sprintf("COPY %s /%s\n", content, content)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	docker.Run(t, "docker", "build", "-q", "-t", name, dir)
	return dockerID(t, docker, name)
}

func dockerID(t *testing.T, docker harness.Runner, name string) string {
	t.Helper()
	return strings.TrimSpace(docker.Run(t, "docker", "image", "inspect", "--format", "{{.Id}}", name))
}

// client is one of the programs that people use: how it pushes what it has to the
// repository, and how it pulls that back and compares.
type client struct {
	name       string
	push, pull func() (string, error)
}

// clients are docker, crane and oras, each with an image of its own, other ones for
// each seed, and a repository on the server.
func clients(t *testing.T, s *harness.Server, docker harness.Runner, seed byte) []client {
	t.Helper()
	home := t.TempDir()
	password := s.Password(t)
	plain := harness.Runner{Dir: home, Env: harness.Environ("HOME="+home, "DOCKER_CONFIG="+filepath.Join(home, ".docker"))}
	crane, oras := harness.Tool(t, "crane"), harness.Tool(t, "oras")
	docker.Pipe(t, password, "docker", "login", "--username", "AWS", "--password-stdin", s.Host())
	plain.Pipe(t, password, crane, "auth", "login", s.Host(), "-u", "AWS", "--password-stdin")
	plain.Pipe(t, password, oras, "login", s.Host(), "-u", "AWS", "--password-stdin", "--plain-http")
	ref := func(name string) string {
		return s.CreateRepository(t, fmt.Sprintf("faults/%s-%d", name, seed)) + ":v1"
	}

	byDocker := ref("docker")
	id := dockerImage(t, docker, byDocker, seed, 3, 8<<20)
	t.Cleanup(func() { _, _ = docker.Try("", "docker", "rmi", "-f", byDocker) })
	craneLayout, orasLayout := harness.NewLayout(t, seed+10), harness.NewLayout(t, seed+11)
	craneDigest := craneLayout.Entry("v1", craneLayout.Image("amd64", 20<<20))
	orasDigest := orasLayout.Entry("v1", orasLayout.Index(orasLayout.Image("amd64", 6<<20), orasLayout.Image("arm64", 18<<20)))
	byCrane, byOras := ref("crane"), ref("oras")
	pulls := 0
	pulled := func(name string) string {
		pulls++
		return filepath.Join(home, fmt.Sprintf("%s-%d", name, pulls))
	}
	return []client{
		{"docker",
			func() (string, error) { return docker.Try("", "docker", "push", byDocker) },
			func() (string, error) {
				if _, err := docker.Try("", "docker", "rmi", byDocker); err != nil {
					return "", err
				}
				out, err := docker.Try("", "docker", "pull", byDocker)
				if err != nil {
					return out, err
				}
				if got := dockerID(t, docker, byDocker); got != id {
					return out, fmt.Errorf("the image pulled is %s, the one pushed was %s", got, id)
				}
				return out, nil
			}},
		{"crane",
			func() (string, error) { return plain.Try("", crane, "push", craneLayout.Dir, byCrane) },
			func() (string, error) {
				to := pulled("crane")
				out, err := plain.Try("", crane, "pull", "--format=oci", byCrane, to)
				if err == nil {
					harness.CheckLayout(t, to)
					if got := harness.EntryOf(t, to); got != craneDigest {
						err = fmt.Errorf("the image pulled is %s, the one pushed was %s", got, craneDigest)
					}
				}
				return out, err
			}},
		{"oras",
			func() (string, error) {
				return plain.Try("", oras, "cp", "--from-oci-layout", orasLayout.Dir+":v1", "--to-plain-http", byOras)
			},
			func() (string, error) {
				to := pulled("oras")
				out, err := plain.Try("", oras, "cp", "--from-plain-http", byOras, "--to-oci-layout", to+":v1")
				if err == nil {
					harness.CheckLayout(t, to)
					if got := harness.EntryOf(t, to); got != orasDigest {
						err = fmt.Errorf("the image pulled is %s, the one pushed was %s", got, orasDigest)
					}
				}
				return out, err
			}},
	}
}

// everyFault is what a network and a service at their limits do now and then.
func everyFault() map[string]fault {
	return map[string]fault{
		"500":            says(500, "InternalError"),
		"503":            says(503, "SlowDown"),
		"connection cut": hangUp,
		"answer lost":    loseAnswer,
		"request cut":    cutRequest,
		"answer cut":     cutAnswer(100 << 10),
		"nothing read":   cutAnswer(0),
		"slow":           slow(time.Second),
	}
}

func TestClientsOfAnS3ServiceThatIsUnwell(t *testing.T) {
	harness.EndToEnd(t)
	t.Parallel()
	s, between := onS3(t, s3test.Start(t), harness.Options{})
	docker := harness.Docker(t, harness.Environ("HOME="+t.TempDir()))
	t.Run("notice nothing where it fails now and then", func(t *testing.T) { nowAndThenIsCured(t, s, between, docker) })
	t.Run("get through an outage by trying again", func(t *testing.T) { outageIsSurvived(t, s, between, docker) })
}

func nowAndThenIsCured(t *testing.T, s *harness.Server, between *spoiler, docker harness.Runner) {
	all := clients(t, s, docker, 10)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	between.set(nowAndThen(t, 3, seed, everyFault()))
	defer between.set(pass)
	var running sync.WaitGroup
	for _, c := range all {
		running.Go(func() {
			if out, err := c.push(); err != nil || strings.Contains(strings.ToLower(out), "retrying") {
				t.Errorf("%s pushes: %s, %v", c.name, out, err)
				return
			}
			if out, err := c.pull(); err != nil || strings.Contains(strings.ToLower(out), "retrying") {
				t.Errorf("%s pulls: %s, %v", c.name, out, err)
			}
		})
	}
	running.Wait()
}

// outageIsSurvived has the service go amidst a push,
// and again amidst a pull, for longer than the server itself tries again.
func outageIsSurvived(t *testing.T, s *harness.Server, between *spoiler, docker harness.Runner) {
	all := clients(t, s, docker, 50)
	for _, step := range []struct {
		doing string
		begin []string
		do    func(client) (string, error)
	}{
		{"pushes", []string{"PutObject", "UploadPart"}, func(c client) (string, error) { return c.push() }},
		{"pulls", []string{"GetObject"}, func(c client) (string, error) { return c.pull() }},
	} {
		between.set(outage(12*time.Second, step.begin...))
		var running sync.WaitGroup
		for _, c := range all {
			running.Go(func() {
				begun := time.Now()
				out, err := step.do(c)
				again := 0
				if err != nil && c.name != "docker" {
					// What does not try again by itself is run again by who uses it.
					t.Logf("%s %s: %v", c.name, step.doing, err)
					again++
					out, err = step.do(c)
				}
				if err != nil {
					t.Errorf("%s %s: %s, %v", c.name, step.doing, out, err)
					return
				}
				t.Logf("%s %s: whole after %v, run again %d times, %d of its own tries again",
					c.name, step.doing, time.Since(begun).Round(time.Second), again, strings.Count(out, "Retrying in 1 second"))
			})
		}
		running.Wait()
	}
	_, page, err := s.Get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(page) {
		if strings.Contains(line, `503"`) {
			t.Log(strings.TrimSpace(line))
		}
	}
}
