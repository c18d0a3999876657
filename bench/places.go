//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func onDisk(ctx context.Context, o options, large *largeBlob) error {
	p := place{title: "on disk", dir: filepath.Join(o.dir, "disk")}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return err
	}
	w := newWorkloads(o, p, large)
	return compare(ctx, o, p, w.onDisk())
}

func onS3(ctx context.Context, o options, large *largeBlob) error {
	p := place{title: "on S3", dir: filepath.Join(o.dir, "s3")}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return err
	}
	var err error
	if p.s3, err = startObjectStore(ctx, o, p.dir, drydockBucket, stockBucket); err != nil {
		return err
	}
	defer p.s3.stop()
	w := newWorkloads(o, p, large)
	return compare(ctx, o, p, w.onS3())
}

// compare runs the workloads against both servers and prints a table.
func compare(ctx context.Context, o options, p place, list []workload) error {
	list = slices.DeleteFunc(list, func(w workload) bool { return !o.wants(w.name) })
	if len(list) == 0 {
		return nil
	}
	stock, err := newStock(o, p)
	if err != nil {
		return err
	}
	ours := newDrydock(o, p, 1)
	servers := []*server{stock, ours}
	starts, err := startTimes(ctx, servers)
	if err != nil {
		return err
	}
	for _, s := range servers {
		if _, err := s.start(ctx); err != nil {
			return err
		}
		defer s.stop()
	}
	if err := ours.createRepositories(ctx, repositories()); err != nil {
		return fmt.Errorf("%w\n%s", err, ours.log)
	}
	report := newReport(os.Stdout, p, servers)
	if err := report.fill(ctx, o, list); err != nil {
		return err
	}
	return report.processes(starts)
}

// onReplicas compares one replica of drydock with two, on one PostgreSQL database
// and one bucket. Client and database need the same processors: so that they leave
// something for a second replica to use, each is held to a part of one.
func onReplicas(ctx context.Context, o options, large *largeBlob) error {
	p := place{title: "replicas", dir: filepath.Join(o.dir, "replicas")}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return err
	}
	w := newWorkloads(o, p, large)
	list := slices.DeleteFunc(w.onReplicas(), func(w workload) bool { return !o.wants(w.name) })
	if len(list) == 0 {
		return nil
	}
	fmt.Printf("\neach replica is held to %d%% of one processor\n", o.share)
	var err error
	if p.db, err = startDatabase(ctx, filepath.Join(p.dir, "postgres")); err != nil {
		return err
	}
	defer p.db.stop()
	if p.s3, err = startObjectStore(ctx, o, p.dir, drydockBucket); err != nil {
		return err
	}
	defer p.s3.stop()
	held, err := newShares()
	if err != nil {
		return err
	}
	defer held.end()
	two := newDrydock(o, p, 2)
	two.name = "two"
	defer two.stop()
	if _, err := two.start(ctx); err != nil {
		return err
	}
	for _, cmd := range two.running {
		if err := held.hold(cmd.Process.Pid, o.share); err != nil {
			return fmt.Errorf("hold a replica to %d hundredths of a processor: %w", o.share, err)
		}
	}
	if err := two.createRepositories(ctx, repositories()); err != nil {
		return fmt.Errorf("%w\n%s", err, two.log)
	}
	one := *two
	one.name, one.plain = "one", two.plain[:1]
	return newReport(os.Stdout, p, []*server{&one, two}).fill(ctx, o, list)
}
