package trust

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"drydock/internal/atomicfile"
)

// replace gives a file new content and leaves all else as it was: its
// permissions, its owner, its SELinux label, and where it really lies when path
// is a link. A file that is not there yet becomes readable for all.
func (s System) replace(path string, content []byte) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return atomicfile.Write(path, content, 0o644)
	}
	if err != nil {
		return fmt.Errorf("replacing %s: %w", path, err)
	}
	real, err := s.resolve(path)
	if err != nil {
		return err
	}
	label := selinuxLabel(real)
	err = atomicfile.Write(real, content, info.Mode().Perm())
	if errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV) {
		// In a container /etc/hosts is a mount of its own: nothing can be put
		// in its place, it can only be written over.
		return overwrite(real, content)
	}
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && (int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid()) {
		if err := os.Chown(real, int(st.Uid), int(st.Gid)); err != nil {
			return fmt.Errorf("giving %s back to its owner: %w", real, err)
		}
	}
	if label != nil {
		// Where it cannot be set, the policy's default for the folder stands.
		_ = unix.Setxattr(real, "security.selinux", label, 0)
	}
	return nil
}

// resolve follows links, which must not lead out of the root.
func (s System) resolve(path string) (string, error) {
	root, err := filepath.EvalSymlinks(s.Root)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", s.Root, err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", path, err)
	}
	if root != "/" && !strings.HasPrefix(real, root+"/") {
		return "", fmt.Errorf("%s is a link that leads out of %s", path, s.Root)
	}
	return real, nil
}

func overwrite(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Truncate(int64(len(content)))
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func selinuxLabel(path string) []byte {
	b := make([]byte, 256)
	n, err := unix.Getxattr(path, "security.selinux", b)
	if err != nil {
		return nil
	}
	return b[:n]
}
