package s3

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/opencontainers/go-digest"

	"drydock/storage"
)

// zeros yields bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestAnUploadThatAQuotaRefusesLeavesNothing refuses uploads at their begin, in their
// midst, at their end and after their bytes were stored.
func TestAnUploadThatAQuotaRefusesLeavesNothing(t *testing.T) {
	f := newFleet(t)
	r, other := f.open(t), f.open(t)
	const limit = 20 << 20
	if err := r.SetQuota(t.Context(), f.ref, storage.Amount{Bytes: limit}); err != nil {
		t.Fatal(err)
	}
	kept := bytes.Repeat([]byte("kept"), limit/16)
	keptDigest := digest.FromBytes(kept)
	if _, err := r.FinishUpload(t.Context(), f.ref, f.start(t, r), 0, bytes.NewReader(kept), keptDigest); err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("large "), limit/6)
	for name, push := range map[string]func(id string) error{
		"at its begin": func(id string) error {
			_, err := r.AppendUpload(t.Context(), f.ref, id, 0, &storage.Announced{Reader: zeros{}, Length: limit})
			return err
		},
		"in its midst": func(id string) error {
			_, err := r.AppendUpload(t.Context(), f.ref, id, 0, zeros{})
			return err
		},
		"at its end": func(id string) error {
			// Nobody tells how much it will be.
			_, err := r.FinishUpload(t.Context(), f.ref, id, 0, io.MultiReader(bytes.NewReader(large)), digest.FromBytes(large))
			return err
		},
		"at its end, which another server sees": func(id string) error {
			if _, err := r.AppendUpload(t.Context(), f.ref, id, 0, io.MultiReader(bytes.NewReader(large))); err != nil {
				return err
			}
			_, err := other.FinishUpload(t.Context(), f.ref, id, storage.AnyOffset, nil, digest.FromBytes(large))
			return err
		},
		"because what is small is too much by then": func(id string) error {
			small := bytes.Repeat([]byte("small"), 100<<10) // less than is asked about early
			if err := r.SetQuota(t.Context(), f.ref, storage.Amount{Bytes: int64(len(kept)) + 1}); err != nil {
				return err
			}
			_, err := r.FinishUpload(t.Context(), f.ref, id, 0, bytes.NewReader(small), digest.FromBytes(small))
			return errors.Join(err, r.SetQuota(t.Context(), f.ref, storage.Amount{Bytes: limit}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := f.start(t, r)
			if err := push(id); !errors.As(err, new(*storage.QuotaError)) {
				t.Errorf("got %v", err)
			}
			if u, err := r.Upload(t.Context(), f.ref, id); u.Offset > 0 || err != nil && !errors.As(err, new(*storage.UploadUnknownError)) {
				t.Errorf("the upload is still there: %+v, %v", u, err)
			}
			f.expectLeft(t, 1)
		})
	}
	f.read(t, other, kept, keptDigest)
}
