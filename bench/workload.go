//go:build linux

package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// workload is a row of the table.
type workload struct {
	name string
	// target is the ratio of drydock's rate to stock's to reach, 0 for none.
	target float64
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
	before func(*conn) error
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

func repositories() []string { return []string{"bench/large", "bench/small", "bench/images"} }

type blob struct {
	digest  string
	content []byte
}

type workloads struct {
	list  []workload
	large *largeBlob
	rnd   *rand.ChaCha8
	dir   string
}

func newWorkloads(o options) (*workloads, error) {
	w := &workloads{rnd: rand.NewChaCha8([32]byte{}), dir: o.dir}
	var err error
	if w.large, err = newLargeBlob(o.large, w.rnd); err != nil {
		return nil, err
	}
	mib := fmt.Sprintf("%d MiB blob", o.large>>20)
	w.list = []workload{
		{"push " + mib, 2.0, w.pushLarge(false)},
		{"TLS push " + mib, 1.3, w.pushLarge(true)},
		{"pull " + mib, 3.2, w.pullLarge(false)},
		{"TLS pull " + mib, 0, w.pullLarge(true)},
		{"manifest GET by tag", 4.3, w.getManifest},
		{"blob of 64 KiB, GET", 8, w.getBlob},
		{"blob of 1 KiB, POST and PUT", 6.3, w.pushSmall},
		{"small image, push", 4, w.pushImages},
		{"tags/list of 300", 0, w.listTags},
	}
	return w, nil
}

func (w *workloads) close() { w.large.close() }

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
			after: func() error { return w.forget(name) },
		}, nil
	}
}

// forget removes a blob's file behind the server's back. The disk's cache then
// reuses its memory; else each push would touch memory for the first time, which
// on a virtual machine takes longer than the push.
func (w *workloads) forget(digest string) error {
	hex := strings.TrimPrefix(digest, "sha256:")
	files, err := filepath.Glob(filepath.Join(w.dir, "*", "docker", "registry", "v2", "blobs", "sha256", hex[:2], hex, "data"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no file of the blob %s below %s: %w", digest, w.dir, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

func (w *workloads) pullLarge(secure bool) func(int) (job, error) {
	return func(int) (job, error) {
		name := w.large.renew()
		target := "/v2/bench/large/blobs/" + name
		return job{secure: secure, clients: 1, ops: 1, bytes: w.large.size,
			before: func(c *conn) error { return w.large.push(c, name) },
			do: func(c *conn, _ int) error {
				_, err := c.do(200, "GET", target, "", nil)
				return err
			},
			after: func() error { return w.forget(name) },
		}, nil
	}
}

// repeated has every client make the same request a number of times.
func repeated(times int, method, target string, before func(*conn) error) job {
	return job{clients: clients, ops: clients * times, before: before, do: func(c *conn, _ int) error {
		for range times {
			if _, err := c.do(200, method, target, "", nil); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (w *workloads) getManifest(int) (job, error) {
	image, err := w.image()
	if err != nil {
		return job{}, err
	}
	return repeated(1000, "GET", "/v2/bench/images/manifests/one", func(c *conn) error {
		return image.push(c, "bench/images", "one")
	}), nil
}

func (w *workloads) getBlob(int) (job, error) {
	b := w.blob(64 << 10)
	return repeated(500, "GET", "/v2/bench/small/blobs/"+b.digest, func(c *conn) error {
		return c.pushBlob("bench/small", b)
	}), nil
}

func (w *workloads) listTags(int) (job, error) {
	image, err := w.image()
	if err != nil {
		return job{}, err
	}
	return repeated(50, "GET", "/v2/bench/large/tags/list", func(c *conn) error {
		for i := range 300 {
			if err := image.push(c, "bench/large", fmt.Sprintf("tag-%d", i)); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

func (w *workloads) pushSmall(int) (job, error) {
	const each = 100
	blobs := make([]blob, clients*each)
	for i := range blobs {
		blobs[i] = w.blob(1 << 10)
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

func (w *workloads) pushImages(round int) (job, error) {
	images := make([]image, 300)
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

// image is a small image: a configuration, two layers, and the manifest.
type image struct {
	blobs    []blob
	manifest []byte
}

func (w *workloads) image() (image, error) {
	type descriptor struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int    `json:"size"`
	}
	i := image{blobs: []blob{w.blob(1 << 10), w.blob(4 << 10), w.blob(4 << 10)}}
	var d []descriptor
	for _, b := range i.blobs {
		d = append(d, descriptor{layerType, b.digest, len(b.content)})
	}
	d[0].MediaType = configType
	var err error
	i.manifest, err = json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": d[0], "layers": d[1:]})
	return i, err
}

func (i image) push(c *conn, repo, tag string) error {
	for _, b := range i.blobs {
		if err := c.pushBlob(repo, b); err != nil {
			return err
		}
	}
	_, err := c.do(201, "PUT", "/v2/"+repo+"/manifests/"+tag, manifestType, i.manifest)
	return err
}

// largeBlob lies in memory as a file, so that it can be sent without passing
// through the client.
type largeBlob struct {
	size   int64
	file   *os.File
	memory []byte
	count  uint64
}

func newLargeBlob(size int64, rnd *rand.ChaCha8) (*largeBlob, error) {
	fd, err := unix.MemfdCreate("blob", 0)
	if err != nil {
		return nil, fmt.Errorf("keeping a blob in memory: %w", err)
	}
	l := &largeBlob{size: size, file: os.NewFile(uintptr(fd), "blob")}
	if err := l.file.Truncate(size); err != nil {
		return nil, err
	}
	l.memory, err = unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("keeping a blob in memory: %w", err)
	}
	_, _ = rnd.Read(l.memory) // documented never to fail
	return l, nil
}

// renew makes the blob another one and returns its digest.
func (l *largeBlob) renew() string {
	l.count++
	binary.LittleEndian.PutUint64(l.memory, l.count)
	return digest(l.memory)
}

func (l *largeBlob) push(c *conn, digest string) error {
	target, err := c.startUpload("bench/large", digest)
	if err != nil {
		return err
	}
	a, err := c.send("PUT", target, l.file, l.size)
	_, err = c.finish(201, a, err, "PUT", target)
	return err
}

func (l *largeBlob) close() {
	_ = unix.Munmap(l.memory)
	_ = l.file.Close()
}
