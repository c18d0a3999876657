package blobtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"drydock/storage/blob"
)

func everySizeComesBack(t *testing.T, p Place) {
	d := p.Open(t)
	for i, size := range []int{0, 1, 100, 256*kib - 1, 256 * kib, 5*mib - 1, 5 * mib, 8 * mib, 13*mib - 1, 13 * mib, 13*mib + 1, 16 * mib, 21*mib + 5, 40 * mib} {
		content := Noise(size)
		w := begin(t, d, fmt.Sprintf("/uploads/%d", i))
		write(t, w, content)
		holds(t, d, commit(t, w), content)
	}
}

// goesOnFromAMark writes a file in several turns, each from the mark of the one
// before, in the same process and in another.
func goesOnFromAMark(t *testing.T, p Place) {
	for name, sizes := range map[string][]int{
		"a few bytes":              {1, 2, 3},
		"nothing at first":         {0, 10, 0},
		"nothing between":          {10, 0, 0, 5},
		"small, then large":        {100, 20 * mib, 7},
		"a part and more":          {6 * mib, 6 * mib, 6 * mib},
		"many parts":               {20 * mib, 17 * mib, 0, 30 * mib},
		"a short end to many":      {20 * mib, 1 * mib, 1, 20 * mib},
		"parts of a layer's parts": {10 * mib, 10 * mib, 10 * mib, 10 * mib, 3 * mib},
	} {
		for _, other := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, another process: %v", name, other), func(t *testing.T) {
				d := p.Open(t)
				path := fmt.Sprintf("/uploads/%d-%v", len(name), other)
				var all []byte
				w := begin(t, d, path)
				for turn, size := range sizes {
					piece := Noise(size + turn)
					write(t, w, piece)
					all = append(all, piece...)
					mark := flush(t, w)
					if err := w.Tidy(t.Context()); err != nil {
						t.Fatal(err)
					}
					closing(t, w)
					if other {
						d = p.Open(t)
					}
					w = resume(t, d, path, len(all), mark)
				}
				holds(t, d, commit(t, w), all)
			})
		}
	}
}

// behindAMark writes more behind a mark, flushed or not, and goes on from the mark
// with other bytes.
func behindAMark(t *testing.T, p Place) {
	for _, sizes := range [][3]int{{10, 5, 7}, {10, 5, 0}, {3 * mib, 3 * mib, 1}, {6 * mib, 30 * mib, 9 * mib}, {30 * mib, 2 * mib, 1 * mib}, {30*mib + 1, 30 * mib, 20 * mib}, {14*mib + 3, 1, 0}} {
		for _, flushed := range []bool{false, true} {
			for _, other := range []bool{false, true} {
				t.Run(fmt.Sprint(sizes, flushed, other), func(t *testing.T) {
					d := p.Open(t)
					path := fmt.Sprintf("/uploads/%d-%d-%d-%v-%v", sizes[0], sizes[1], sizes[2], flushed, other)
					good, bad, rest := Noise(sizes[0]), Noise(sizes[1]+1), Noise(sizes[2]+2)
					w := begin(t, d, path)
					write(t, w, good)
					mark := flush(t, w)
					write(t, w, bad)
					if flushed {
						flush(t, w)
					}
					closing(t, w)
					if other {
						d = p.Open(t)
					}
					w = resume(t, d, path, len(good), mark)
					write(t, w, rest)
					holds(t, d, commit(t, w), append(good, rest...))
				})
			}
		}
	}
}

// manySmallPieces goes on so often with so little that a backend's short cuts for
// whole parts do not apply.
func manySmallPieces(t *testing.T, p Place) {
	d := p.Open(t)
	var all []byte
	w := begin(t, d, "/uploads/u")
	for turn := range 24 {
		piece := Noise(1*mib + turn)
		write(t, w, piece)
		all = append(all, piece...)
		mark := flush(t, w)
		if err := w.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		closing(t, w)
		if turn == 17 {
			d = p.Open(t)
		}
		w = resume(t, d, "/uploads/u", len(all), mark)
	}
	holds(t, d, commit(t, w), all)
}

func nothingIsLeft(t *testing.T, p Place) {
	for i, size := range []int{1, 6 * mib, 20 * mib, 20*mib + 1} {
		for _, other := range []bool{false, true} {
			d := p.Open(t)
			path := fmt.Sprintf("/uploads/%d%v", i, other)
			w := begin(t, d, path)
			write(t, w, Noise(size))
			mark := flush(t, w)
			closing(t, w)
			if err := d.Delete(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			if other {
				d = p.Open(t)
			}
			// It may show at once, or when it comes to the bytes; or a process
			// remembers what is missing.
			rest := Noise(20 * mib)
			goOn := func() (blob.Writer, error) {
				w, err := d.Resume(t.Context(), path, int64(size), mark)
				if err == nil {
					if _, err = w.Write(rest); err == nil {
						err = w.Commit(t.Context())
					}
				}
				return w, err
			}
			w, err := goOn()
			// A service may say that the upload is gone and hang up while the part is
			// still being sent, so that on a busy machine nobody hears it.
			for tries := 0; errors.Is(err, blob.ErrUnavailable) && tries < 3; tries++ {
				if w != nil {
					w.Close()
				}
				w, err = goOn()
			}
			switch {
			case err != nil:
				missing(t, err)
			case other:
				t.Errorf("%d bytes that are gone were gone on from", size)
			default:
				holds(t, d, w.Path(), append(Noise(size), rest...))
			}
			if w != nil {
				w.Close()
			}
		}
	}
	d := p.Open(t)
	_, err := d.Resume(t.Context(), "/uploads/never", 5, "")
	missing(t, err)
	// Short of what is recorded.
	w := begin(t, d, "/uploads/short")
	write(t, w, Noise(10))
	mark := flush(t, w)
	closing(t, w)
	_, err = d.Resume(t.Context(), "/uploads/short", 11, mark)
	missing(t, err)
}

func manyWriters(t *testing.T, p Place) {
	d := p.Open(t)
	var wg sync.WaitGroup
	paths := make([]string, 12)
	for i := range paths {
		wg.Go(func() {
			content := Noise(i*2*mib + i)
			w, err := d.Begin(t.Context(), fmt.Sprintf("/uploads/%d", i))
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			for len(content) > 0 {
				n := min(100*kib, len(content))
				if _, err := w.Write(content[:n]); err != nil {
					t.Error(err)
					return
				}
				content = content[n:]
			}
			if err := w.Commit(t.Context()); err != nil {
				t.Error(err)
			}
			paths[i] = w.Path()
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for i, path := range paths {
		holds(t, d, path, Noise(i*2*mib+i))
	}
}

func cancelled(t *testing.T, p Place) {
	d := p.Open(t)
	for _, size := range []int{1, 6 * mib, 30 * mib, 30*mib + 1} {
		for _, when := range []string{"written", "flushed", "resumed", "committed"} {
			if when == "committed" && !d.Shared() {
				continue // the file has been moved by then
			}
			w := begin(t, d, "/uploads/u")
			write(t, w, Noise(size))
			switch when {
			case "flushed":
				flush(t, w)
			case "resumed":
				mark := flush(t, w)
				closing(t, w)
				w = resume(t, d, "/uploads/u", size, mark)
			case "committed":
				if err := w.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Cancel(t.Context()); err != nil {
				t.Fatalf("%d bytes, %s: %v", size, when, err)
			}
			if _, err := w.Write([]byte("x")); err == nil {
				t.Errorf("%d bytes, %s: a cancelled writer wrote", size, when)
			}
			if err := w.Commit(t.Context()); err == nil {
				t.Errorf("%d bytes, %s: a cancelled writer was committed", size, when)
			}
			closing(t, w)
			if err := d.Delete(t.Context(), "/uploads/u"); err == nil {
				t.Errorf("%d bytes, %s: there was something left", size, when)
			} else {
				missing(t, err)
			}
		}
	}
}

func writersThatAreDone(t *testing.T, p Place) {
	d := p.Open(t)
	for name, done := range map[string]func(w blob.Writer) error{
		"committed": func(w blob.Writer) error { return w.Commit(t.Context()) },
		"closed":    func(w blob.Writer) error { return w.Close() },
		"cancelled": func(w blob.Writer) error { return w.Cancel(t.Context()) },
	} {
		w := begin(t, d, "/uploads/"+name)
		write(t, w, []byte("hello"))
		if err := done(w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n, err := w.Write([]byte("more")); err == nil || n != 0 {
			t.Errorf("%s: it wrote %d bytes: %v", name, n, err)
		}
		if err := w.Commit(t.Context()); err == nil {
			t.Errorf("%s: it was committed", name)
		}
		if _, err := w.Flush(t.Context()); err == nil {
			t.Errorf("%s: it was flushed", name)
		}
	}
}

func sharedWriters(t *testing.T, p Place) {
	d := p.Open(t)
	if !d.Shared() {
		t.Skip("it is not shared")
	}
	for i, size := range []int{10, 6 * mib, 20 * mib} {
		path := fmt.Sprintf("/uploads/%d", i)
		first, second := Noise(size), Noise(size+1)
		// Two servers begin the same upload: each has a file of its own.
		a, b := begin(t, d, path), begin(t, p.Open(t), path)
		write(t, a, first)
		write(t, b, second)
		at, bt := commit(t, a), commit(t, b)
		if at == bt {
			t.Fatalf("both wrote to %s", at)
		}
		holds(t, d, at, first)
		holds(t, d, bt, second)

		// Two go on from the same mark, and the second is done when the first, held
		// up until then, wakes: it may fail, but it changes nothing.
		w := begin(t, d, path)
		write(t, w, first)
		mark := flush(t, w)
		closing(t, w)
		slow, quick := resume(t, p.Open(t), path, size, mark), resume(t, p.Open(t), path, size, mark)
		write(t, quick, second)
		kept := commit(t, quick)
		want := append(append([]byte(nil), first...), second...)
		holds(t, d, kept, want)
		_, _ = slow.Write(Noise(20 * mib))
		_, _ = slow.Flush(t.Context())
		holds(t, d, kept, want)
		_ = slow.Commit(t.Context())
		_ = slow.Close()
		holds(t, d, kept, want)

		// And if neither goes on, both may finish it; it is the same file.
		w = begin(t, d, path)
		write(t, w, first)
		mark = flush(t, w)
		closing(t, w)
		a, b = resume(t, p.Open(t), path, size, mark), resume(t, p.Open(t), path, size, mark)
		kept = commit(t, a)
		if err := b.Commit(t.Context()); err != nil {
			missing(t, err)
		} else if b.Path() != kept {
			t.Errorf("it is at %s and at %s", kept, b.Path())
		}
		_ = b.Close()
		holds(t, d, kept, first)
	}
}
