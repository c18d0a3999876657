package faults

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/smithy-go"
	"golang.org/x/sys/unix"

	"drydock/e2e/harness"
	"drydock/storage/blob/s3/s3test"
)

// fill takes all but so many bytes of a disk, until the function returned is called.
func fill(t *testing.T, disk *harness.Disk, but int64) (free func()) {
	t.Helper()
	path := filepath.Join(disk.Path, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var size int64
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		n, err := f.Write(chunk)
		size += int64(n)
		if err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}
	_ = f.Sync() // the disk is full: whatever fits is there
	if but > 0 {
		if err := f.Truncate(size - but); err != nil {
			t.Fatal(err)
		}
	}
	return sync.OnceFunc(func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
		unix.Sync()
	})
}

// TestRecordsWithoutRoomAreReadAndAreWrittenAgainOnceThereIsSome has the blobs in a
// bucket, so that it is the database alone that is full.
func TestRecordsWithoutRoomAreReadAndAreWrittenAgainOnceThereIsSome(t *testing.T) {
	harness.EndToEnd(t)
	t.Parallel()
	disk := harness.NewDisk(t, 64<<20)
	s, _ := onS3(t, s3test.Start(t), harness.Options{Data: filepath.Join(disk.Path, "data"), Args: []string{"--disk-watermark", "0"}})
	s.CreateRepository(t, "demo")
	client := s.Client(t)
	before, during := newImage(1, 3<<20), newImage(101, 3<<20, 20<<20)
	if err := before.push(client, "demo", "before"); err != nil {
		t.Fatal(err)
	}
	for _, content := range append(during.layers[1:], during.config) {
		if err := client.PushBlob("demo", harness.Digest(content), content); err != nil {
			t.Fatal(err)
		}
	}
	location, err := client.StartUpload("demo")
	if err != nil {
		t.Fatal(err)
	}

	free := fill(t, disk, 0)
	defer free()
	refused := func(what string, a harness.Answer, err error) {
		t.Helper()
		if err != nil || a.Status != 403 || !strings.Contains(string(a.Body), "space") {
			t.Errorf("%s: %v, %v", what, a, err)
		}
	}
	a, err := client.Send("PUT", harness.WithDigest(location, harness.Digest(during.layers[0])), bytes.NewReader(during.layers[0]))
	refused("the end of an upload", a, err)
	a, err = client.Send("PUT", "/v2/demo/manifests/during", bytes.NewReader(newImage(1, 3<<20).manifest), "Content-Type", harness.ManifestType)
	refused("another tag", a, err)
	a, err = client.Send("DELETE", "/v2/demo/manifests/before", nil)
	refused("the deletion of a tag", a, err)
	a, err = client.Send("POST", "/v2/demo/blobs/uploads/", nil)
	refused("the begin of an upload", a, err)
	_, err = s.ECR().CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String("other")})
	var fault smithy.APIError
	if !errors.As(err, &fault) || fault.ErrorCode() != "ServerException" || !strings.Contains(fault.ErrorMessage(), "full") {
		t.Errorf("a new repository: %v", err)
	}

	// Reading goes on, with a new password too.
	reader := s.Client(t)
	if err := before.whole(reader, "demo", "before"); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/readyz", "/v2/demo/tags/list", "/v2/_catalog"} {
		if a, err := reader.Send("GET", path, nil); err != nil || a.Status != 200 {
			t.Errorf("%s: %v, %v", path, a, err)
		}
	}
	if a, err := reader.Blob("demo", harness.Digest(during.layers[0])); err != nil || a.Status != 404 {
		t.Errorf("what was refused answers %d, %v", a.Status, err)
	}

	free()
	if err := client.FinishUpload(location, harness.Digest(during.layers[0]), during.layers[0]); err != nil {
		t.Errorf("the same upload, once there is room: %v", err)
	}
	if err := client.PutManifest("demo", "during", harness.ManifestType, during.manifest); err != nil {
		t.Errorf("once there is room: %v", err)
	}
	s.CreateRepository(t, "other")
	s.Kill()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	for tag, im := range map[string]image{"before": before, "during": during} {
		if err := im.whole(client, "demo", tag); err != nil {
			t.Errorf("after a start: %v", err)
		}
	}
}

func TestDockerSaysThatTheDiskIsFullAndPushesOnceItIsNot(t *testing.T) {
	harness.EndToEnd(t)
	t.Parallel()
	disk := harness.NewDisk(t, 96<<20)
	s := harness.Start(t, harness.Options{Data: filepath.Join(disk.Path, "data"), Args: []string{"--disk-watermark", "0"}})
	docker := harness.Docker(t, harness.Environ("HOME="+t.TempDir()))
	docker.Pipe(t, s.Password(t), "docker", "login", "--username", "AWS", "--password-stdin", s.Host())
	before, during := s.CreateRepository(t, "before")+":v1", s.CreateRepository(t, "during")+":v1"
	ids := map[string]string{before: dockerImage(t, docker, before, 80, 1, 4<<20), during: dockerImage(t, docker, during, 90, 3, 8<<20)}
	docker.Run(t, "docker", "push", before)

	free := fill(t, disk, 12<<20) // the first layer fits
	defer free()
	begun := time.Now()
	out, err := docker.Try("", "docker", "push", during)
	t.Logf("after %v: %v", time.Since(begun).Round(time.Second), err)
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("docker says %s, %v", out, err)
	}
	docker.Run(t, "docker", "rmi", before)
	docker.Run(t, "docker", "pull", before)

	free()
	docker.Run(t, "docker", "push", during)
	docker.Run(t, "docker", "rmi", during)
	docker.Run(t, "docker", "pull", during)
	for ref, id := range ids {
		if got := dockerID(t, docker, ref); got != id {
			t.Errorf("%s is %s, and was pushed as %s", ref, got, id)
		}
		_, _ = docker.Try("", "docker", "rmi", "-f", ref)
	}
}
