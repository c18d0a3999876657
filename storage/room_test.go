package storage

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestWhileTheDiskIsNearlyFullNothingIsTakenInAndAllElseGoesOn(t *testing.T) {
	e := newFileEngine(t)
	const least = 1000
	var free atomic.Int64
	free.Store(least)
	e.options.Grace, e.options.Trash = testGrace, testTrash
	e.options.Room = func() (int64, int64, error) {
		if f := free.Load(); f >= 0 {
			return f, least, nil
		}
		return 0, 0, errors.New("it cannot be found out")
	}
	e.restart(t)
	ref, other := e.repository(t, "demo", Mutability{}), e.repository(t, "other", Mutability{})
	image := e.image(t, ref, "x", "v1")
	begun, written := e.start(t, ref), e.start(t, ref)
	e.append(t, ref, begun, "begun")
	e.append(t, ref, written, "complete")

	free.Store(least - 1)
	_, err := e.StartUpload(t.Context(), ref)
	if low := fails[*LowSpaceError](t, err); low.Free != least-1 || low.Least != least || !strings.Contains(low.Error(), "999 B are free and 1000 B are kept so") {
		t.Errorf("%+v: %v", low, low)
	}
	_, err = e.AppendUpload(t.Context(), ref, begun, AnyOffset, strings.NewReader("more"))
	fails[*LowSpaceError](t, err)
	if _, err := e.Upload(t.Context(), ref, begun); !errors.As(err, new(*UploadUnknownError)) {
		t.Errorf("the upload that was refused: %v", err)
	}
	_, err = e.PutManifest(t.Context(), ref, ManifestUpload{Content: indexOf(t)})
	fails[*LowSpaceError](t, err)
	// What has come already may be kept: that takes no room.
	d := digest.FromString("complete")
	if _, err := e.FinishUpload(t.Context(), ref, written, AnyOffset, nil, d); err != nil {
		t.Errorf("to end an upload: %v", err)
	}
	if _, err := e.MountBlob(t.Context(), other, ref, d); err != nil {
		t.Errorf("to mount: %v", err)
	}
	if got := e.read(t, ref, digest.FromString("layer of x")); got != "layer of x" {
		t.Errorf("to pull: %q", got)
	}
	if err := e.DeleteManifest(t.Context(), ref, image.Digest); err != nil {
		t.Errorf("to delete: %v", err)
	}
	e.clock = e.clock.Add(2 * testGrace)
	e.collectAll(t)
	e.clock = e.clock.Add(2 * testTrash)
	e.collectAll(t)
	if n := len(e.files(t)); n != 0 {
		t.Errorf("to collect: %d files are left", n)
	}
	if err := e.Ready(t.Context()); err != nil {
		t.Errorf("to be ready: %v", err)
	}
	if got := e.Refusals(); got.Disk != 3 || got.Quota != 0 {
		t.Errorf("counted as refused: %+v", got)
	}
	for _, f := range []int64{least, -1} {
		free.Store(f)
		e.image(t, ref, fmt.Sprint(f), "v2")
	}
}

// TestAnUploadEndsWhereTheDiskFillsUp crosses the watermark in the midst of a body.
func TestAnUploadEndsWhereTheDiskFillsUp(t *testing.T) {
	e := newFileEngine(t)
	body := new(endless)
	e.options.Room = func() (int64, int64, error) { return 100<<20 - body.taken, 60 << 20, nil }
	e.restart(t)
	ref := e.repository(t, "demo", Mutability{})
	id := e.start(t, ref)
	_, err := e.AppendUpload(t.Context(), ref, id, 0, body)
	fails[*LowSpaceError](t, err)
	if body.taken > 40<<20+2*checkpointEvery {
		t.Errorf("%d bytes were taken", body.taken)
	}
	if _, err := os.Stat(e.uploadFile(id)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its file is still there: %v", err)
	}
}
