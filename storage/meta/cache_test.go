package meta_test

import (
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"drydock/storage/meta"
	"drydock/storage/meta/sqlite"
)

func open(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func one(int) int { return 1 }

func TestACacheReadsOnceUntilSomethingIsWritten(t *testing.T) {
	db, reads := open(t), 0
	c := meta.NewCache[string](100, one)
	get := func() int {
		v, err := c.Get(db, "k", func() (int, error) { reads++; return reads, nil })
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for range 2 {
		if get() != 1 {
			t.Errorf("%d reads", reads)
		}
	}
	write := func(d meta.Durability, err error) {
		got := db.Write(t.Context(), d, func(meta.Querier) error { return err })
		if !errors.Is(got, err) {
			t.Fatal(got)
		}
	}
	write(meta.Relaxed, nil)
	if get() != 1 {
		t.Error("the bookkeeping of an upload made it forget")
	}
	write(meta.Durable, nil)
	if get() != 2 {
		t.Error("a write did not make it forget")
	}
}

func TestWhatCannotBeReadIsNotRemembered(t *testing.T) {
	db := open(t)
	c := meta.NewCache[string](100, one)
	broken := errors.New("broken")
	if _, err := c.Get(db, "k", func() (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if v, err := c.Get(db, "k", func() (int, error) { return 7, nil }); err != nil || v != 7 {
		t.Error(v, err)
	}
}

func TestACacheStaysWithinItsLimit(t *testing.T) {
	db, reads := open(t), 0
	c := meta.NewCache[int](160, func(v int) int { return v })
	get := func(key, weight int) {
		if _, err := c.Get(db, key, func() (int, error) { reads++; return weight, nil }); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		get(0, 11) // more than a sixteenth
	}
	if reads != 2 {
		t.Errorf("what is too heavy was kept: %d reads", reads)
	}
	for key := range 17 {
		get(key+1, 10)
	}
	before := reads
	get(1, 10)
	get(1, 10)
	if reads != before+1 {
		t.Errorf("it did not make room and go on: %d reads more", reads-before)
	}
}

// A reader that began before a write must not leave what it read to those who
// ask after it.
func TestACacheIsNeverStale(t *testing.T) {
	db := open(t)
	c := meta.NewCache[string](100, one)
	var stored, acknowledged atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := acknowledged.Load()
				v, err := c.Get(db, "k", func() (int, error) { return int(stored.Load()), nil })
				if err != nil || int64(v) < least {
					t.Errorf("read %d after %d was acknowledged: %v", v, least, err)
					return
				}
			}
		})
	}
	for i := range 300 {
		if err := db.Write(t.Context(), meta.Durable, func(meta.Querier) error { stored.Store(int64(i)); return nil }); err != nil {
			t.Fatal(err)
		}
		acknowledged.Store(int64(i))
	}
	close(stop)
	wg.Wait()
}
