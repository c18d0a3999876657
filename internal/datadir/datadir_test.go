package datadir

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

func open(t *testing.T, path string) *Folder {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestDefaultFolder(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"HOME": "/home/u"}, "/home/u/.local/share/drydock"},
		{map[string]string{"HOME": "/home/u", "XDG_DATA_HOME": "/big"}, "/big/drydock"},
		{map[string]string{"HOME": "/home/u", "XDG_DATA_HOME": "relative"}, "/home/u/.local/share/drydock"}, // the spec says to ignore it
		{nil, ""},
	} {
		got, err := Default(func(k string) string { return c.env[k] })
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%v: got %q, %v; want %q", c.env, got, err, c.want)
		}
	}
}

func TestASecondServerIsRefusedWithTheFolderAndTheHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	first := open(t, path)
	_, err := Open(path)
	var held *HeldError
	if !errors.As(err, &held) || held.PID != os.Getpid() || held.Path != path {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{path, fmt.Sprint(os.Getpid()), "--data"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	first.Close()
	open(t, path)
}

func TestTheFolderIsPrivate(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "data"))
	info, err := os.Stat(f.Path())
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestTheRootKeyIsMadeOnceAndKeptPrivate(t *testing.T) {
	path := t.TempDir()
	if _, err := ReadRootKey(path); !errors.Is(err, ErrNoRootKey) {
		t.Errorf("before the first start: %v", err)
	}
	f := open(t, path)
	made, err := f.RootKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(made.AccessKeyID) || len(made.SecretAccessKey) != 40 {
		t.Errorf("%+v is not of AWS's form", made)
	}
	again, err := f.RootKey(rand.Reader)
	if err != nil || again != made {
		t.Errorf("the second start found %+v, %v; the first made %+v", again, err, made)
	}
	if read, err := ReadRootKey(path); err != nil || read != made {
		t.Errorf("read %+v, %v", read, err)
	}
	info, err := os.Stat(filepath.Join(path, "root-key.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestADamagedRootKeyIsNotReplaced(t *testing.T) {
	f := open(t, t.TempDir())
	for _, content := range []string{"", "{", `{"access_key_id":"AKIA"}`} {
		if err := os.WriteFile(f.Path("root-key.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := f.RootKey(rand.Reader); err == nil {
			t.Errorf("%q gave the key %+v", content, k)
		}
	}
}

func TestWithoutRandomnessThereIsNoKey(t *testing.T) {
	f := open(t, t.TempDir())
	if _, err := f.RootKey(bytes.NewReader(make([]byte, 39))); err == nil {
		t.Error("a key was made of too little randomness")
	}
	if _, err := os.Stat(f.Path("root-key.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was kept: %v", err)
	}
}

func TestARunningServerIsFound(t *testing.T) {
	path := t.TempDir()
	if _, err := Running(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("in an empty folder: %v", err)
	}
	f := open(t, path)
	if _, err := Running(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("before the server is ready: %v", err)
	}
	want := Server{PID: 7, URL: "http://localhost:5000", Listen: []string{"127.0.0.1:5000"}, Account: "123456789012", Region: "us-east-1"}
	if err := f.Announce(want); err != nil {
		t.Fatal(err)
	}
	if got, err := Running(path); err != nil || got.URL != want.URL || got.PID != want.PID {
		t.Errorf("got %+v, %v", got, err)
	}
	f.Close() // as when it is killed: the announcement stays
	if _, err := Running(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the server was killed: %v", err)
	}
	open(t, path)
	if _, err := Running(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("the next server is taken for the killed one: %v", err)
	}
}

func TestLookingForAServerDoesNotKeepOneFromStarting(t *testing.T) {
	path := t.TempDir()
	open(t, path).Close()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = Running(path)
			}
		}
	}()
	for range 50 {
		f, err := Open(path)
		if err != nil {
			t.Error(err)
			break
		}
		f.Close()
	}
	close(stop)
	<-done
}

func TestTroubleIsExplained(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "write", Path: "/d/x", Err: syscall.ENOSPC}, "disk that holds the data folder /d is full: free"},
		{&fs.PathError{Op: "open", Path: "/d/x", Err: syscall.EACCES}, "cannot write to the data folder /d: give it"},
		{&fs.PathError{Op: "open", Path: "/d/x", Err: syscall.EROFS}, "cannot write to the data folder /d: give it"},
		{&fs.PathError{Op: "mkdir", Path: "/d", Err: syscall.ENOTDIR}, "/d is not a folder: choose another"},
		{&fs.PathError{Op: "write", Path: "/d", Err: syscall.EIO}, "the data folder /d: write /d: input/output error"},
	} {
		got := Explain("/d", c.err)
		if !strings.Contains(got.Error(), c.want) || !errors.Is(got, c.err) {
			t.Errorf("%v became %q", c.err, got)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "is not a folder") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
