package storage

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// BenchmarkPushesBesideCollection pushes small blobs with and without 100,000
// others that wait for collection, and are collected meanwhile.
func BenchmarkPushesBesideCollection(b *testing.B) {
	for _, waiting := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("%d waiting", waiting), func(b *testing.B) {
			e := newEngine(b)
			e.options.Now = time.Now
			e.restart(b)
			ref := e.repository(b, "demo", Mutability{})
			row, err := e.findRepositoryRow(b, ref)
			if err != nil {
				b.Fatal(err)
			}
			for at := 0; at < waiting; at += 1000 {
				err := e.write(b.Context(), func(q meta.Querier) error {
					for i := at; i < at+1000; i++ {
						d := string(digest.FromString(fmt.Sprint("waiting ", i)))
						if _, err := meta.InsertBlob(b.Context(), q, meta.Blob{Digest: d, Size: 1, Content: []byte("x")}, nil); err != nil {
							return err
						}
						if _, err := meta.LinkBlob(b.Context(), q, row, d, 1, 0); err != nil {
							return err
						}
						if err := meta.ReviewLater(b.Context(), q, meta.Review{RepositoryID: row, Digest: d, DueAt: 1}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			ctx, stop := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- e.RunCollector(ctx) }()
			var n atomic.Int64
			b.SetParallelism(4)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					e.pushBlobNumber(b, ref, n.Add(1))
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(e.Totals().Trashed)/b.Elapsed().Seconds(), "collected/s")
			stop()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}

func (e *engine) findRepositoryRow(b *testing.B, ref Ref) (int64, error) {
	b.Helper()
	return repositoryID(b.Context(), e.options.DB.Reader(), ref)
}

func (e *engine) pushBlobNumber(b *testing.B, ref Ref, n int64) {
	text := fmt.Sprint("pushed ", n)
	u, err := e.StartUpload(b.Context(), ref)
	if err == nil {
		_, err = e.FinishUpload(b.Context(), ref, u.ID, 0, strings.NewReader(text), digest.FromString(text))
	}
	if err != nil {
		b.Error(err)
	}
}
