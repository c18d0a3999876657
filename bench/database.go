//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// database is a PostgreSQL server, which writes as safely as it does elsewhere.
type database struct {
	url string
	dir string
	pid int // of the process that starts all others
}

const ensurePostgres = "scripts/ensure-postgres"

func startDatabase(ctx context.Context, dir string) (*database, error) {
	cmd := exec.CommandContext(ctx, ensurePostgres, dir)
	cmd.Env = append(os.Environ(), "DRYDOCK_POSTGRES_DURABLE=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	d := &database{dir: dir}
	// export NAME=URL, as the shell quotes it
	_, url, _ := strings.Cut(strings.TrimSpace(string(out)), "=")
	d.url = strings.ReplaceAll(url, `\`, "")
	cluster, err := os.ReadFile(filepath.Join(dir, "postgres-cluster"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(cluster)), "data", "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	d.pid, err = strconv.Atoi(first)
	return d, err
}

func (d *database) stop() {
	cmd := exec.Command(ensurePostgres, "--stop", d.dir)
	cmd.Stderr = os.Stderr
	_ = cmd.Run() // it says itself what is wrong
}

// cpu is the processor time that those of the server's processes have used which
// still run. Connections are kept, so that is nearly all.
func (d *database) cpu() (time.Duration, error) {
	sum, err := processorTime(d.pid)
	if err != nil {
		return 0, err
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", d.pid, d.pid))
	if err != nil {
		return 0, err
	}
	for field := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		if took, err := processorTime(pid); err == nil { // else it has ended
			sum += took
		}
	}
	return sum, nil
}
