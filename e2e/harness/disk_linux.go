package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Disk is an ext4 file system of the test's own, in a file.
type Disk struct {
	// Path is where it is mounted.
	Path  string
	image string
}

// NewDisk makes and mounts a file system of the size in bytes; the test's end
// takes it away. It needs root and loop devices.
func NewDisk(t testing.TB, size int64) *Disk {
	t.Helper()
	if os.Getuid() != 0 {
		Unavailable(t, "only root can mount the disk that this test breaks")
	}
	dir := t.TempDir()
	d := &Disk{Path: filepath.Join(dir, "mnt"), image: filepath.Join(dir, "disk.img")}
	if err := os.Mkdir(d.Path, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(d.image)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", d.image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, out)
	}
	if err := d.mount(); err != nil {
		Unavailable(t, "no disk to break: %v", err)
	}
	t.Cleanup(func() {
		if err := d.unmount(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *Disk) mount() error {
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.Path).CombinedOutput(); err != nil {
		return fmt.Errorf("mounting: %w\n%s", err, out)
	}
	return nil
}

func (d *Disk) unmount() error {
	if out, err := exec.Command("umount", d.Path).CombinedOutput(); err != nil {
		return fmt.Errorf("unmounting: %w\n%s", err, out)
	}
	return nil
}

// ext4's EXT4_IOC_SHUTDOWN and its mode that throws away what the journal has
// not written yet (linux/include/uapi/linux/ext4.h).
const (
	ext4Shutdown   = 0x8004587d
	withoutJournal = 0x2
)

// CutPower makes the file system stop dead, as a power cut does: nothing that was
// not synced reaches it any more.
func (d *Disk) CutPower() error {
	f, err := os.Open(d.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), ext4Shutdown, withoutJournal); err != nil {
		return fmt.Errorf("shutting the file system down: %w", err)
	}
	return nil
}

// Replug mounts what a power cut left, once nobody has a file of it open.
func (d *Disk) Replug() error {
	if err := d.unmount(); err != nil {
		return err
	}
	return d.mount()
}
