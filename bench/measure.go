//go:build linux

package main

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// sample is one measurement of one server.
type sample struct {
	took time.Duration
	// cpu is the server's processor time, client that of this program, s3 that of
	// the S3 server, to which there were so many calls, and db the database's.
	cpu, client, s3, db time.Duration
	calls               int
	ops                 int
	bytes               int64
}

// rate is operations a second, or MiB a second where bytes count.
func (s sample) rate() float64 {
	if s.bytes > 0 {
		return float64(s.bytes) / (1 << 20) / s.took.Seconds()
	}
	return float64(s.ops) / s.took.Seconds()
}

// String is the rate with its unit.
func (s sample) String() string { return fmt.Sprintf("%.0f %s", s.rate(), s.unit()) }

func (s sample) unit() string {
	if s.bytes > 0 {
		return "MiB/s"
	}
	return "op/s"
}

type samples []sample

// time does a job to the server.
func (s *server) time(j job) (sample, error) {
	conns := make([]*conn, j.clients)
	for i := range conns {
		c, err := dial(s, j.secure, i)
		if err != nil {
			return sample{}, err
		}
		defer c.Close()
		conns[i] = c
	}
	if j.before != nil {
		if err := j.before(conns); err != nil {
			return sample{}, err
		}
	}
	// What the server before this one left to be written is not this one's load.
	unix.Sync()
	if j.bytes > 0 {
		if err := backMemory(s.copies() * j.bytes); err != nil {
			return sample{}, err
		}
	}

	before, err := s.used()
	if err != nil {
		return sample{}, err
	}
	errs := make([]error, len(conns))
	began := time.Now()
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() { errs[i] = j.do(c, i) })
	}
	wg.Wait()
	took := time.Since(began)
	after, err := s.used()
	if err := cmp.Or(append(errs, err)...); err != nil {
		return sample{}, err
	}
	if j.after != nil {
		if err := j.after(); err != nil {
			return sample{}, err
		}
	}
	return sample{
		took: took, cpu: after.cpu - before.cpu, client: after.client - before.client,
		s3: after.s3 - before.s3, db: after.db - before.db, calls: after.calls - before.calls, ops: j.ops, bytes: j.bytes,
	}, nil
}

// used is what there has been of everything until now.
func (s *server) used() (u sample, err error) {
	u.client = ownCPU()
	if u.cpu, err = s.cpu(); err != nil {
		return u, err
	}
	if s.db != nil {
		if u.db, err = s.db.cpu(); err != nil {
			return u, err
		}
	}
	if s.s3 == nil {
		return u, nil
	}
	if u.s3, err = s.s3.cpu(); err != nil {
		return u, err
	}
	u.calls, err = s.s3.calls(s.bucket)
	return u, err
}

// copies is how many copies of a blob may lie in memory: one of the client's and
// what the disk's cache holds, which of a multipart upload is the parts and the
// object, and once more where the registry has the object copied.
func (s *server) copies() int64 {
	if s.s3 != nil {
		return 4
	}
	return 2
}

// ownCPU is the processor time that this program has used.
func ownCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
