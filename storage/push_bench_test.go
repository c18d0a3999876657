package storage

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// BenchmarkSmallPush pushes images of one small layer from 16 clients at once,
// each to a repository of its own: what is measured is the records.
func BenchmarkSmallPush(b *testing.B) {
	e := newEngine(b)
	var clients, pushes atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		ref := e.repository(b, fmt.Sprintf("bench-%d", clients.Add(1)), Mutability{})
		for p.Next() {
			n := pushes.Add(1)
			if err := e.push(b, ref, fmt.Sprint(n)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// push pushes an image that nothing else is like.
func (e *engine) push(t testing.TB, ref Ref, of string) error {
	blob := func(content string) (v1.Descriptor, error) {
		u, err := e.StartUpload(t.Context(), ref)
		if err != nil {
			return v1.Descriptor{}, err
		}
		d := digest.FromString(content)
		_, err = e.FinishUpload(t.Context(), ref, u.ID, 0, strings.NewReader(content), d)
		return v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: d, Size: int64(len(content))}, err
	}
	config, err := blob(`{"of":"` + of + `"}`)
	if err != nil {
		return err
	}
	layer, err := blob(strings.Repeat("layer of "+of, 100))
	if err != nil {
		return err
	}
	_, err = e.PutManifest(t.Context(), ref, ManifestUpload{Content: imageOf(t, config, layer), Tags: []string{"t" + of}})
	return err
}
