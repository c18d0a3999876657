// Package datadir is the server's data folder as a whole: where it is, who has
// it, and the few small files at its top (lock, root key, address of the running
// server). What lies below belongs to the packages that put it there.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"drydock/internal/atomicfile"
)

// Default is the data folder of a user who names none: $XDG_DATA_HOME/drydock,
// else ~/.local/share/drydock (XDG Base Directory Specification 0.8).
func Default(getenv func(string) string) (string, error) {
	if data := getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "drydock"), nil
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "drydock"), nil
	}
	return "", errors.New("there is no home folder to keep data in: name a folder with --data")
}

// Folder is a data folder that this process holds.
type Folder struct {
	path string
	lock *os.File
}

// patience is how long Open waits for the lock. Other commands take it for an
// instant to see whether a server runs.
const patience = 300 * time.Millisecond

// Open makes the folder where it is missing and takes it for this process until
// Close. Errors: *HeldError when another process has it; otherwise a sentence
// that says what to do.
func Open(path string) (*Folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding the data folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, Explain(path, err)
	}
	if err := atomicfile.SyncFolder(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, Explain(path, err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, Explain(path, err)
	}
	if err := take(lock, path); err != nil {
		lock.Close()
		return nil, err
	}
	f := &Folder{path: path, lock: lock}
	// What a killed server announced must not be taken for this one's.
	if err := errors.Join(f.Withdraw(), f.sign()); err != nil {
		f.Close()
		return nil, Explain(path, err)
	}
	return f, nil
}

func take(lock *os.File, path string) error {
	var err error
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			break
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return &HeldError{Path: path, PID: holder(lock)}
	}
	return fmt.Errorf("cannot lock the data folder %s, choose one on a local disk with --data: %w", path, err)
}

// sign writes the process id into the lock file, for a second server's message.
func (f *Folder) sign() error {
	if err := f.lock.Truncate(0); err != nil {
		return err
	}
	_, err := f.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func holder(lock *os.File) int {
	b, err := io.ReadAll(io.NewSectionReader(lock, 0, 20))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}

// Path is the path of something in the folder.
func (f *Folder) Path(elements ...string) string {
	return filepath.Join(append([]string{f.path}, elements...)...)
}

// Close gives the folder up. The lock file stays: removing it would let two
// processes hold locks on two files of the same name.
func (f *Folder) Close() error { return f.lock.Close() }

// HeldError says that another process has the data folder.
type HeldError struct {
	Path string
	// PID is the holder's process id, 0 when it is not known.
	PID int
}

func (e *HeldError) Error() string {
	who := "another drydock"
	if e.PID > 0 {
		who += fmt.Sprintf(" (process %d)", e.PID)
	}
	return fmt.Sprintf("the data folder %s is in use by %s: stop that one, or give this one a folder of its own with --data", e.Path, who)
}

// Explain turns an error met while working in the data folder into a sentence
// that says what to do about it. It wraps err.
func Explain(path string, err error) error {
	var told string
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		told = "the disk that holds the data folder %s is full: free some space, or choose a folder elsewhere with --data"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		told = "cannot write to the data folder %s: give it to the user that drydock runs as, or choose another with --data"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		told = "the data folder %s is not a folder: choose another with --data"
	default:
		return fmt.Errorf("the data folder %s: %w", path, err)
	}
	return fmt.Errorf(told+" (%w)", path, err)
}
