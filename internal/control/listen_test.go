package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestTheSocketIsNeverOpenToOthers(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := Path(t.TempDir())
	var seen atomic.Uint32
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			if i, err := os.Lstat(path); err == nil && i.Mode().Perm()&0o077 != 0 {
				seen.Store(uint32(i.Mode().Perm()))
			}
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	for range 300 {
		l, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		if i, err := os.Lstat(path); err != nil || i.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", i, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	<-watched
	if m := seen.Load(); m != 0 {
		t.Errorf("for a moment it had the mode %o", m)
	}
}

func TestASocketTakesThePlaceOfOneThatWasLeftBehindAndGoes(t *testing.T) {
	path := Path(t.TempDir())
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), newSocketFolder), 0o700); err != nil {
		t.Fatal(err) // of a server that was killed
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("beside the socket there is %v, %v", left, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}
