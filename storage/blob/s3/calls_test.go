package s3

import (
	"io"
	"maps"
	"testing"

	"drydock/storage/blob/blobtest"
	"drydock/storage/blob/s3/s3test"
)

// What is promised of the number of requests. Each step is that of an HTTP request
// of a push or a pull; the second half, on another server, remembers nothing.
func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	for name, c := range map[string]struct {
		sizes []int
		// on the server that wrote last, and on another one
		begin, same, other map[string]int
	}{
		"1 MiB in one piece": {[]int{1 << 20},
			map[string]int{"PutObject": 1}, nil, map[string]int{"HeadObject": 1}},
		"13 MiB in one piece": {[]int{13<<20 - 1},
			map[string]int{"PutObject": 1}, nil, map[string]int{"HeadObject": 1}},
		"64 MiB": {[]int{64 << 20},
			map[string]int{"CreateMultipartUpload": 1, "UploadPart": 8}, map[string]int{"CompleteMultipartUpload": 1},
			map[string]int{"ListParts": 1, "CompleteMultipartUpload": 1}},
		"64 MiB and a byte": {[]int{64<<20 + 1},
			map[string]int{"CreateMultipartUpload": 1, "UploadPart": 8}, map[string]int{"CompleteMultipartUpload": 1},
			map[string]int{"ListParts": 1, "CompleteMultipartUpload": 1}},
		"two pieces of 10 MiB": {[]int{10 << 20, 10 << 20},
			map[string]int{"PutObject": 1, "CreateMultipartUpload": 1, "UploadPartCopy": 1, "UploadPart": 1, "DeleteObject": 1},
			map[string]int{"CompleteMultipartUpload": 1}, map[string]int{"ListParts": 1, "CompleteMultipartUpload": 1}},
		"three pieces of 20 MiB": {[]int{20 << 20, 20 << 20, 20 << 20},
			map[string]int{"CreateMultipartUpload": 1, "UploadPart": 6},
			map[string]int{"CompleteMultipartUpload": 1}, map[string]int{"ListParts": 1, "CompleteMultipartUpload": 1}},
	} {
		for _, elsewhere := range []bool{false, true} {
			count := new(counter)
			o := options(t, s)
			o.Wrap = func(next Doer) Doer { count.next = next; return count }
			d := open(t, o)
			w, err := d.Begin(t.Context(), "/u/1")
			if err != nil {
				t.Fatal(err)
			}
			var all []byte
			var mark string
			for i, size := range c.sizes {
				if i > 0 {
					if w, err = d.Resume(t.Context(), "/u/1", int64(len(all)), mark); err != nil {
						t.Fatal(err)
					}
				}
				piece := blobtest.Noise(size)
				all = append(all, piece...)
				if _, err := w.Write(piece); err != nil {
					t.Fatal(err)
				}
				if mark, err = w.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := w.Tidy(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if got := count.take(); !maps.Equal(got, c.begin) {
				t.Errorf("%s: to write took %v, want %v", name, got, c.begin)
			}
			want := c.same
			if elsewhere {
				d, want = open(t, o), c.other
			}
			if w, err = d.Resume(t.Context(), "/u/1", int64(len(all)), mark); err != nil {
				t.Fatal(err)
			}
			if err := w.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			path := w.Path()
			w.Close()
			if got := count.take(); !maps.Equal(got, want) {
				t.Errorf("%s: to finish, elsewhere %v, took %v, want %v", name, elsewhere, got, want)
			}
			f, err := d.Open(t.Context(), path, int64(len(all)))
			if err != nil {
				t.Fatal(err)
			}
			// As http.ServeContent does it.
			if _, err := f.Seek(0, io.SeekEnd); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, f); n != int64(len(all)) || err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			f.Close()
			if got := count.take(); !maps.Equal(got, map[string]int{"GetObject": 1}) {
				t.Errorf("%s: to read took %v", name, got)
			}
		}
	}
}
