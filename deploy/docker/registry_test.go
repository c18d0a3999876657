package docker

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"drydock/deploy/machine"
)

// serveImage has a registry of the test's own serve an image with one file of so many
// bytes, and returns its name.
func (l *lab) serveImage(size int64) string {
	l.t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "big", Mode: 0o644, Size: size}); err != nil {
		l.t.Fatal(err)
	}
	noise := make([]byte, size)
	if _, err := rand.NewChaCha8([32]byte{}).Read(noise); err != nil {
		l.t.Fatal(err)
	}
	if _, err := w.Write(noise); err != nil {
		l.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		l.t.Fatal(err)
	}
	blobs := map[string][]byte{}
	put := func(b []byte) map[string]any {
		d := fmt.Sprintf("sha256:%x", sha256.Sum256(b))
		blobs[d] = b
		return map[string]any{"digest": d, "size": len(b)}
	}
	encode := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			l.t.Fatal(err)
		}
		return b
	}
	one := put(layer.Bytes())
	one["mediaType"] = "application/vnd.oci.image.layer.v1.tar"
	config := put(encode(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Entrypoint": []string{"/big"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []any{one["digest"]}},
	}))
	config["mediaType"] = "application/vnd.oci.image.config.v1+json"
	const kind = "application/vnd.oci.image.manifest.v1+json"
	manifest := encode(map[string]any{"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []any{one}})
	put(manifest)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		b := blobs[name]
		if strings.Contains(r.URL.Path, "/manifests/") {
			b = manifest
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Docker-Content-Digest", fmt.Sprintf("sha256:%x", sha256.Sum256(b)))
		}
		if b == nil && r.URL.Path != "/v2/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		_, _ = w.Write(b) // a client that has gone is no fault
	}))
	l.t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://") + "/big:1"
}

func TestAnImageOfAnotherRegistryIsPulledWithItsDigest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	task := l.task(essential("app"))
	task.Containers[0].Repository, task.Containers[0].Image = nil, l.serveImage(1000)
	s := l.becomes(l.start(task), machine.Stopped) // it has no program
	if !strings.HasPrefix(s.Containers[0].ImageDigest, "sha256:") || !strings.HasPrefix(s.Reason, "CannotStartContainerError: ") || s.PullStopped.Before(s.PullStarted) {
		t.Errorf("%+v", s)
	}
	missing := l.task(essential("app"))
	missing.Containers[0].Repository, missing.Containers[0].Image = nil, "127.0.0.1:1/nothing:1"
	if s := l.becomes(l.start(missing), machine.Stopped); !strings.HasPrefix(s.Reason, "CannotPullContainerError: ") || s.StopCode != machine.TaskFailedToStart {
		t.Errorf("%+v", s)
	}
}
