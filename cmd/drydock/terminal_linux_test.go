package main

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"drydock/deploy/machine"
)

// pty makes a terminal: what is typed at it, and what a program sees of it.
func pty(t *testing.T) (typed, seen *os.File) {
	t.Helper()
	typed, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals here:", err)
	}
	t.Cleanup(func() { typed.Close() })
	fd := int(typed.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if seen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seen.Close() })
	return typed, seen
}

func TestATerminalIsRawUntilItIsRestoredAndTellsItsSize(t *testing.T) {
	typed, seen := pty(t)
	resize := func(columns, rows uint16) {
		t.Helper()
		if err := unix.IoctlSetWinsize(int(typed.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
			t.Fatal(err)
		}
	}
	raw := func() bool {
		t.Helper()
		v, err := unix.IoctlGetTermios(int(seen.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return v.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0
	}
	resize(80, 24)
	sizes, restore, err := terminal(seen)
	if err != nil {
		t.Fatal(err)
	}
	if !raw() {
		t.Error("the terminal is not raw")
	}
	expect := func(want machine.Size) {
		t.Helper()
		select {
		case got := <-sizes:
			if got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("no size is told, want %v", want)
		}
	}
	expect(machine.Size{Columns: 80, Rows: 24})
	resize(132, 50)
	// The kernel tells it only to those whose terminal it is.
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	expect(machine.Size{Columns: 132, Rows: 50})
	restore()
	if raw() {
		t.Error("the terminal stays raw")
	}
}
