package storage

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/storage/meta"
)

// BenchmarkVerify verifies images of a configuration and a layer each in the records,
// and says how many a second.
func BenchmarkVerify(b *testing.B) {
	const images = 10000
	e := newEngine(b)
	ref := e.repository(b, "demo", Mutability{})
	ctx := b.Context()
	repo, err := repositoryID(ctx, e.options.DB.Reader(), ref)
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; n < images; n += 500 {
		err := e.write(ctx, func(q meta.Querier) error {
			for i := n; i < n+500; i++ {
				var parts []v1.Descriptor
				for _, content := range []string{fmt.Sprint("config ", i), fmt.Sprint("layer ", i)} {
					d := digest.FromString(content)
					row := meta.Blob{Digest: string(d), Size: int64(len(content)), Content: []byte(content)}
					if _, err := meta.InsertBlob(ctx, q, row, nil); err != nil {
						return err
					}
					if err := e.hold(ctx, q, ref, repo, string(d), row.Size); err != nil {
						return err
					}
					parts = append(parts, v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: d, Size: row.Size})
				}
				content := imageOf(b, parts[0], parts[1])
				doc, err := parseDocument(content, "")
				if err != nil {
					return err
				}
				if _, err := e.insertManifest(ctx, q, ref, repo, digest.FromBytes(content), doc, content, false); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		v, err := e.Verify(ctx, VerifyOptions{Deep: true})
		if err != nil || v.Images != images || v.Problems != 0 {
			b.Fatalf("%+v, %v", v, err)
		}
	}
	b.ReportMetric(images*float64(b.N)/b.Elapsed().Seconds(), "images/s")
}
