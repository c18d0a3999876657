//go:build linux

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// workload is a row of the table.
type workload struct {
	name string
	// target is the ratio of the second server's rate to the first's to reach, 0
	// for none.
	target float64
	// calls is the most S3 calls that drydock may make for each of stock's, 0 for
	// no such target.
	calls float64
	// prepare makes what a round needs before any clock runs. Content differs
	// from round to round, for what a registry has already it does not store.
	prepare func(round int) (job, error)
}

// job is one measurement, done in turn to each server.
type job struct {
	secure  bool
	clients int
	// ops is the number of operations of all clients together, bytes that of the
	// payload bytes where the rate of those is meant.
	ops   int
	bytes int64
	// before brings about what the job presumes, untimed; nil for nothing.
	before func([]*conn) error
	// do is the share of one client.
	do func(c *conn, client int) error
	// after clears away, untimed; nil for nothing.
	after func() error
}

const (
	clients      = 8
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

func repositories() []string {
	return []string{"bench/large", "bench/small", "bench/images", "bench/tags"}
}

type blob struct {
	digest  string
	content []byte
}

type workloads struct {
	o     options
	p     place
	large *largeBlob
	rnd   *rand.ChaCha8
}

func newWorkloads(o options, p place, large *largeBlob) *workloads {
	return &workloads{o: o, p: p, large: large, rnd: rand.NewChaCha8([32]byte{})}
}

// onDisk are the workloads where the servers keep blobs in files.
func (w *workloads) onDisk() []workload {
	mib := fmt.Sprintf("%d MiB blob", w.large.size>>20)
	return []workload{
		{"push " + mib, 2.0, 0, w.pushLarge(false)},
		{"TLS push " + mib, 1.3, 0, w.pushLarge(true)},
		{"pull " + mib, 3.2, 0, w.pullLarge(false)},
		{"TLS pull " + mib, 0, 0, w.pullLarge(true)},
		{"manifest GET by tag", 4.3, 0, w.getManifest(1000)},
		{"blob of 64 KiB, GET", 8, 0, w.getBlob(500)},
		{"blob of 1 KiB, POST and PUT", 6.3, 0, w.pushSmall(1<<10, 100)},
		{"small image, push", 4, 0, w.pushImages(300)},
		{"tags/list of 300", 0, 0, w.listTags(300, 50)},
	}
}

// onS3 are the workloads where they keep them in a bucket. They are shorter, for
// the S3 server is slower than a disk.
func (w *workloads) onS3() []workload {
	mib := fmt.Sprintf("%d MiB blob", w.large.size>>20)
	return []workload{
		{"push " + mib, 2, 0, w.pushLarge(false)},
		{"pull " + mib, 1.5, 0, w.pullLarge(false)},
		{"manifest GET by tag", 0, 0, w.getManifest(100)},
		{"blob of 64 KiB, GET", 0, 0, w.getBlob(100)},
		{"blob of 1 KiB, POST and PUT", 0, 0.25, w.pushSmall(1<<10, 20)},
		{"blob of 64 KiB, POST and PUT", 0, 0.25, w.pushSmall(64<<10, 20)},
		{"small image, push", 0, 0.25, w.pushImages(30)},
		{"tags/list of 10000", 20, 0, w.listTags(10000, 1)},
	}
}

// onReplicas are the workloads that are shared out among replicas.
func (w *workloads) onReplicas() []workload {
	return []workload{
		{"manifest GET by tag", 1.8, 0, w.getManifest(300)},
		{"blob of 64 KiB, GET", 0, 0, w.getBlob(100)},
		{"small image, push", 0, 0, w.pushImages(60)},
	}
}

// blob is random content of a size in bytes.
func (w *workloads) blob(size int) blob {
	content := make([]byte, size)
	_, _ = w.rnd.Read(content) // documented never to fail
	return blob{digest(content), content}
}

func digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

func (w *workloads) pushLarge(secure bool) func(int) (job, error) {
	return func(int) (job, error) {
		name := w.large.renew()
		return job{secure: secure, clients: 1, ops: 1, bytes: w.large.size,
			do:    func(c *conn, _ int) error { return w.large.push(c, name) },
			after: w.forget,
		}, nil
	}
}

// forget removes the large blob's file behind the server's back. The disk's cache
// then reuses its memory; else each push would touch memory for the first time,
// which on a virtual machine takes longer than the push.
func (w *workloads) forget() error {
	found := false
	err := filepath.WalkDir(w.p.dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file of somebody's
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Size() != w.large.size {
			return err
		}
		found = true
		return os.Remove(path)
	})
	if err == nil && !found {
		err = fmt.Errorf("no file of %d bytes below %s", w.large.size, w.p.dir)
	}
	return err
}

func (w *workloads) pullLarge(secure bool) func(int) (job, error) {
	return func(int) (job, error) {
		name := w.large.renew()
		target := "/v2/bench/large/blobs/" + name
		return job{secure: secure, clients: 1, ops: 1, bytes: w.large.size,
			before: func(c []*conn) error { return w.large.push(c[0], name) },
			do: func(c *conn, _ int) error {
				_, err := c.do(200, "GET", target, "", nil)
				return err
			},
			after: w.forget,
		}, nil
	}
}

// repeated has every client make the same request a number of times.
func repeated(times int, method, target string, before func([]*conn) error) job {
	return job{clients: clients, ops: clients * times, before: before, do: func(c *conn, _ int) error {
		for range times {
			if _, err := c.do(200, method, target, "", nil); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (w *workloads) getManifest(times int) func(int) (job, error) {
	return func(int) (job, error) {
		image, err := w.image()
		if err != nil {
			return job{}, err
		}
		return repeated(times, "GET", "/v2/bench/images/manifests/one", func(c []*conn) error {
			return image.push(c[0], "bench/images", "one")
		}), nil
	}
}

func (w *workloads) getBlob(times int) func(int) (job, error) {
	return func(int) (job, error) {
		b := w.blob(64 << 10)
		return repeated(times, "GET", "/v2/bench/small/blobs/"+b.digest, func(c []*conn) error {
			return c[0].pushBlob("bench/small", b)
		}), nil
	}
}

func (w *workloads) pushSmall(size, each int) func(int) (job, error) {
	return func(int) (job, error) {
		blobs := make([]blob, clients*each)
		for i := range blobs {
			blobs[i] = w.blob(size)
		}
		return job{clients: clients, ops: len(blobs), do: func(c *conn, client int) error {
			for _, b := range blobs[client*each : (client+1)*each] {
				if err := c.pushBlob("bench/small", b); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}
}

func (w *workloads) pushImages(count int) func(int) (job, error) {
	return func(round int) (job, error) {
		images := make([]image, count)
		for i := range images {
			var err error
			if images[i], err = w.image(); err != nil {
				return job{}, err
			}
		}
		return job{clients: clients, ops: len(images), do: func(c *conn, client int) error {
			for i := client; i < len(images); i += clients {
				if err := images[i].push(c, "bench/images", fmt.Sprintf("r%d-%d", round, i)); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}
}
