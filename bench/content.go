//go:build linux

package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"
)

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

func newLargeBlob(size int64) (*largeBlob, error) {
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
	_, _ = rand.NewChaCha8([32]byte{1}).Read(l.memory) // documented never to fail
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
