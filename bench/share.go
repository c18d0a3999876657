//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// shares hold processes to a part of one processor each, so that several of them
// can stand for machines on one that has not enough processors for all. That takes
// root and control groups, of either version.
type shares struct {
	parent  string
	version int
	made    []string
}

// newShares looks for the control groups. Errors: there are none that can be used.
func newShares() (*shares, error) {
	const root = "/sys/fs/cgroup"
	for version, parent := range map[int]string{1: filepath.Join(root, "cpu"), 2: root} {
		s := &shares{parent: parent, version: version}
		probe := filepath.Join(parent, fmt.Sprintf("drydock-bench-%d", os.Getpid()))
		if os.Mkdir(probe, 0o755) != nil {
			continue
		}
		_, err := os.Stat(filepath.Join(probe, s.limitFile()))
		if err = errors.Join(err, os.Remove(probe)); err == nil {
			return s, nil
		}
	}
	return nil, errors.New("no control group for processor time can be made here; run as root")
}

func (s *shares) limitFile() string {
	return [...]string{1: "cpu.cfs_quota_us", 2: "cpu.max"}[s.version]
}

// hold gives a process that many hundredths of a processor.
func (s *shares) hold(pid, percent int) error {
	const period = 10_000 // microseconds
	group := filepath.Join(s.parent, fmt.Sprintf("drydock-bench-%d", pid))
	if err := os.Mkdir(group, 0o755); err != nil {
		return err
	}
	s.made = append(s.made, group)
	write := func(file, value string) error { return os.WriteFile(filepath.Join(group, file), []byte(value), 0o644) }
	quota := strconv.Itoa(period * percent / 100)
	if s.version == 1 {
		if err := write("cpu.cfs_period_us", strconv.Itoa(period)); err != nil {
			return err
		}
	} else {
		quota += " " + strconv.Itoa(period)
	}
	return errors.Join(write(s.limitFile(), quota), write("cgroup.procs", strconv.Itoa(pid)))
}

// end removes the groups, whose processes must have ended.
func (s *shares) end() {
	for _, group := range s.made {
		if err := os.Remove(group); err != nil {
			fmt.Fprintln(os.Stderr, "bench: ", err)
		}
	}
}
