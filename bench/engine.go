//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// engine is a Docker Engine of its own, on a bridge of its own.
type engine struct {
	dir, host string
}

const ensureDocker = "scripts/ensure-docker"

func startEngine(ctx context.Context, dir string) (*engine, error) {
	e := &engine{dir: dir, host: "unix://" + filepath.Join(dir, "docker.sock")}
	cmd := exec.CommandContext(ctx, ensureDocker, dir)
	cmd.Env = append(os.Environ(), "DRYDOCK_ENGINE_BRIDGE=drydock-bench")
	cmd.Stderr = os.Stderr
	if _, err := cmd.Output(); err != nil {
		e.stop() // what there is of it
		return nil, fmt.Errorf("start a Docker Engine: %w", err)
	}
	return e, nil
}

func (e *engine) stop() {
	cmd := exec.Command(ensureDocker, "--stop", e.dir)
	cmd.Stderr = os.Stderr
	_ = cmd.Run() // it says itself what is wrong
}

// docker runs the docker CLI with nothing of the user's own settings.
func (e *engine) docker(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.host, "DOCKER_CONFIG="+filepath.Join(e.dir, "config"))
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// build makes an image of a program that waits until it is stopped.
func (e *engine) build(ctx context.Context, image string) error {
	dir := filepath.Join(e.dir, "image")
	program := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "probe"), "./deploy/docker/testdata/probe")
	program.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := program.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program of the image: %w\n%s", err, out)
	}
	file := "FROM scratch\nCOPY probe /probe\nENTRYPOINT [\"/probe\"]\nCMD [\"wait\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(file), 0o600); err != nil {
		return err
	}
	_, err := e.docker(ctx, "", "build", "-q", "-t", image, dir)
	return err
}
