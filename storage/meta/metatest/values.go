package metatest

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"drydock/storage/meta"
)

// byteOrder lists names that languages order otherwise.
func byteOrder(t *testing.T, db meta.DB) {
	names := []string{"B", "_", "a", "A-b", "A.b", "Ab", "a_b", "aB", "10", "9", "v1", "V1", "ä", "z", "\U0001F433"}
	want := slices.Clone(names)
	slices.Sort(want)
	must(t, db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		for _, n := range names {
			if err := meta.SetTag(t.Context(), q, 1, n, "sha256:0", 1); err != nil {
				return err
			}
		}
		return nil
	}))
	var got []string
	for after := ""; ; {
		page, err := meta.ListTags(t.Context(), db.Reader(), 1, after, 2)
		must(t, err)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		after = page[len(page)-1]
	}
	if !slices.Equal(got, want) {
		t.Errorf("in pages: %q, want %q", got, want)
	}
	if got, err := meta.TagsOf(t.Context(), db.Reader(), 1, "sha256:0"); err != nil || !slices.Equal(got, want) {
		t.Errorf("at once: %q, %v; want %q", got, err, want)
	}
}

func bytesBack(t *testing.T, db meta.DB) {
	ctx := t.Context()
	repository := meta.Repository{ID: 1, Account: "1", Region: "r", Name: "n"}
	contents := map[string][]byte{"none": nil, "empty": {}, "some": {0, 1, 0xff, '\\', 0}}
	must(t, db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		if err := meta.InsertRepository(ctx, q, repository); err != nil {
			return err
		}
		for digest, content := range contents {
			if _, err := meta.InsertBlob(ctx, q, meta.Blob{Digest: digest, Content: content}, nil); err != nil {
				return err
			}
			if _, err := meta.LinkBlob(ctx, q, repository.ID, digest, int64(len(content)), 1); err != nil {
				return err
			}
		}
		return nil
	}))
	for digest, want := range contents {
		got, _, err := meta.LinkedBlob(ctx, db.Reader(), "1", "r", "n", digest)
		must(t, err)
		if !bytes.Equal(got.Content, want) || (got.Content == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", digest, got.Content, want)
		}
	}
}

func values(t *testing.T, db meta.DB) {
	ctx := t.Context()
	for i, want := range []meta.Repository{
		{ID: math.MaxInt64, Account: "0123456789", Region: "r", Name: "a/b", CreatedAt: math.MaxInt64, Immutable: true, Except: []string{`v*`, `"\'`}},
		{ID: 1, Account: "0123456789", Region: "r", Name: "A/B", Except: []string{}},
	} {
		must(t, db.Write(ctx, meta.Durable, func(q meta.Querier) error { return meta.InsertRepository(ctx, q, want) }))
		got, err := meta.FindRepository(ctx, db.Reader(), want.Account, want.Region, want.Name)
		must(t, err)
		if got.ID != want.ID || got.CreatedAt != want.CreatedAt || got.Immutable != want.Immutable || !slices.Equal(got.Except, want.Except) {
			t.Errorf("%d: %+v, want %+v", i, got, want)
		}
	}
}

// noText asks for what clients can send and no name is: bytes that are not UTF-8,
// and zeros.
func noText(t *testing.T, db meta.DB) {
	ctx := t.Context()
	must(t, db.Write(ctx, meta.Durable, func(q meta.Querier) error { return meta.SetTag(ctx, q, 1, "v1", "sha256:0", 1) }))
	for _, name := range []string{"\x00", "v1\x00", "\xff", "v1\xc3"} {
		if _, err := meta.TagDigest(ctx, db.Reader(), 1, name); !errors.Is(err, meta.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := meta.ListTags(ctx, db.Reader(), 1, name, 5); err != nil {
			t.Errorf("after %q: %v", name, err)
		}
		must(t, db.Write(ctx, meta.Durable, func(q meta.Querier) error { return meta.DeleteTag(ctx, q, 1, name) }))
	}
	if _, err := meta.TagDigest(ctx, db.Reader(), 1, "v1"); err != nil {
		t.Error(err)
	}
}
