//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of every measurement")
	flag.StringVar(&o.dir, "dir", "", "folder to keep the servers' data in while it runs (default: a fresh one in the temporary folder)")
	flag.StringVar(&o.only, "only", "", "comma-separated beginnings of the names of the rows to measure (default: all)")
	flag.StringVar(&o.on, "on", "disk,s3,replicas,pages,tasks", "what to measure, comma-separated: servers with blobs on disk, in s3, replicas of drydock on S3 and PostgreSQL, pages of long lists, and tasks")
	flag.StringVar(&o.drydock, "drydock", "bin/drydock", "the drydock program")
	flag.StringVar(&o.stock, "stock", ".cache/bin/registry", "the stock registry program")
	flag.StringVar(&o.s3, "s3", ".cache/bin/versitygw", "the S3 server's program")
	flag.Int64Var(&o.large, "large", 512<<20, "size of the large blob in bytes")
	flag.IntVar(&o.share, "share", 10, "hundredths of a processor that each replica may use")
	flag.BoolVar(&o.verbose, "v", false, "tell of each measurement")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("what is %q? bench takes flags only", flag.Arg(0))
	}

	dir, err := os.MkdirTemp(o.dir, "drydock-bench")
	if err != nil {
		return err
	}
	defer func() {
		if rm := os.RemoveAll(dir); err == nil {
			err = rm
		}
	}()
	o.dir = dir
	large, err := newLargeBlob(o.large)
	if err != nil {
		return err
	}
	defer large.close()

	fmt.Printf("%d rounds, data in %s\n", o.rounds, filepath.Dir(dir))
	for _, on := range []struct {
		name string
		run  func(context.Context, options, *largeBlob) error
	}{{"disk", onDisk}, {"s3", onS3}, {"replicas", onReplicas}, {"pages", onPages}, {"tasks", onTasks}} {
		if !o.isOn(on.name) {
			continue
		}
		if err := on.run(ctx, o, large); err != nil {
			return fmt.Errorf("on %s: %w", on.name, err)
		}
	}
	return nil
}

type options struct {
	rounds             int
	dir, only, on      string
	drydock, stock, s3 string
	large              int64
	share              int
	verbose            bool
}

func (o options) isOn(place string) bool { return slices.Contains(strings.Split(o.on, ","), place) }

func (o options) wants(name string) bool {
	if o.only == "" {
		return true
	}
	for _, begin := range strings.Split(o.only, ",") {
		if strings.HasPrefix(name, begin) {
			return true
		}
	}
	return false
}

// measure runs a workload against both servers, the first of one round being the
// last of the next, so that neither always meets the warmer disk.
func measure(ctx context.Context, o options, w workload, servers []*server) ([]samples, error) {
	row := make([]samples, len(servers))
	for round := range o.rounds {
		job, err := w.prepare(round)
		if err != nil {
			return nil, err
		}
		for i := range servers {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			at := (i + round) % len(servers)
			s, err := servers[at].time(job)
			if err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", servers[at].name, err, servers[at].log)
			}
			row[at] = append(row[at], s)
			if o.verbose {
				fmt.Fprintf(os.Stderr, "%s: %s: %s in %v, CPU %v\n", w.name, servers[at].name, s, s.took.Round(time.Microsecond), s.cpu)
			}
		}
	}
	return row, nil
}
