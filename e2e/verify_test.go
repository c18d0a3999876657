package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drydock/e2e/harness"
)

// verify runs drydock verify and returns its exit status and what it said.
func verify(t *testing.T, s *harness.Server, args ...string) (int, string) {
	t.Helper()
	out, err := exec.Command(harness.Binary(t), append([]string{"verify", "--data", s.Data}, args...)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		return exit.ExitCode(), string(out)
	}
	return 0, string(out)
}

// layerOf is the digest of the only layer of an image, and the file that holds it.
func layerOf(t *testing.T, s *harness.Server, repo, tag string) (digest, file string) {
	t.Helper()
	a, err := s.Client(t).Manifest(repo, tag)
	if err != nil || a.Status != 200 {
		t.Fatalf("%v, %v", a, err)
	}
	var m struct{ Layers []harness.Descriptor }
	if err := json.Unmarshal(a.Body, &m); err != nil || len(m.Layers) != 1 {
		t.Fatalf("%d layers: %v", len(m.Layers), err)
	}
	hex := strings.TrimPrefix(m.Layers[0].Digest, "sha256:")
	return m.Layers[0].Digest, filepath.Join(s.Data, "docker", "registry", "v2", "blobs", "sha256", hex[:2], hex, "data")
}

// flip changes one bit in the middle of a file.
func flip(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 0x10
	if err := os.WriteFile(file, content, 0o640); err != nil {
		t.Fatal(err)
	}
}

// TestASpoiltLayerIsFoundNamedAndMadeWholeByAPush spoils the layers of three images
// in three ways under a running server, and has another client make each whole.
func TestASpoiltLayerIsFoundNamedAndMadeWholeByAPush(t *testing.T) {
	harness.EndToEnd(t)
	s := harness.Start(t, harness.Options{Args: []string{"--log-level", "warn"}})
	docker := harness.Docker(t, s.AWSEnv())
	crane, oras := harness.Tool(t, "crane"), harness.Tool(t, "oras")
	password := s.Password(t)
	docker.Pipe(t, password, "docker", "login", "--username", "AWS", "--password-stdin", s.Host())
	client := docker.With("HOME=" + t.TempDir())
	client.Pipe(t, password, crane, "auth", "login", s.Host(), "-u", "AWS", "--password-stdin")
	client.Pipe(t, password, oras, "login", s.Host(), "-u", "AWS", "--password-stdin", "--plain-http")

	for _, c := range []struct {
		name, repo string
		spoil      func(t *testing.T, file string)
		deep       bool
		push       func(t *testing.T, ref, layout string)
	}{
		{"docker makes a truncated layer whole", "cut", func(t *testing.T, file string) {
			if err := os.Truncate(file, 1000); err != nil {
				t.Fatal(err)
			}
		}, false, func(t *testing.T, ref, _ string) { docker.Run(t, "docker", "push", ref) }},
		{"crane makes a flipped layer whole", "flipped", flip, true, func(t *testing.T, ref, layout string) {
			client.Run(t, crane, "push", layout, ref)
		}},
		{"oras makes a deleted layer whole", "deleted", func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}, false, func(t *testing.T, ref, layout string) {
			client.Run(t, oras, "cp", "--from-oci-layout", layout+"@"+harness.EntryOf(t, layout), "--to-plain-http", ref)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ref := s.CreateRepository(t, "team/"+c.repo) + ":v1"
			builtImage(t, docker, ref, 2<<20)
			docker.Run(t, "docker", "push", ref)
			layout := filepath.Join(t.TempDir(), "layout")
			client.Run(t, crane, "pull", "--format=oci", ref, layout)
			digest, file := layerOf(t, s, "team/"+c.repo, "v1")
			if status, out := verify(t, s, "--deep"); status != 0 {
				t.Fatalf("before: %d %s", status, out)
			}

			c.spoil(t, file)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // docker tries again for long
			defer cancel()
			pull := exec.CommandContext(ctx, crane, "pull", "--format=oci", ref, filepath.Join(t.TempDir(), "pulled"))
			pull.Env = client.Env
			if out, err := pull.CombinedOutput(); err == nil {
				t.Errorf("a spoilt image was pulled: %s", out)
			}
			status, out := verify(t, s)
			if found := status == 2 && strings.Contains(out, digest); found == c.deep {
				t.Errorf("without --deep: %d %s", status, out)
			}
			image := s.Account + "/" + s.Region + "/team/" + c.repo + ":v1@" + harness.EntryOf(t, layout)
			if status, out = verify(t, s, "--deep"); status != 2 || !strings.Contains(out, "needed by "+image) || !strings.Contains(out, "--repair") {
				t.Errorf("with --deep: %d %s", status, out)
			}
			if status, out = verify(t, s, "--deep", "--repair"); status != 3 || !strings.Contains(out, "LOST") || !strings.Contains(out, "needed by "+image) {
				t.Errorf("with --repair: %d %s", status, out)
			}
			if status, out = verify(t, s); status != 3 || !strings.Contains(out, "needed by "+image) {
				t.Errorf("before the push: %d %s", status, out)
			}
			c.push(t, ref, layout)
			if status, out = verify(t, s, "--deep"); status != 0 {
				t.Errorf("after the push: %d %s", status, out)
			}
			docker.Run(t, "docker", "rmi", ref)
			docker.Run(t, "docker", "pull", ref)
		})
	}
	if put, err := filepath.Glob(filepath.Join(s.Data, "quarantine", "*", "sha256", "*", "*", "data")); err != nil || len(put) != 2 {
		t.Errorf("in quarantine: %v, %v", put, err)
	}
}
