package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"drydock/internal/atomicfile"
)

const serverFile = "server.json"

// Server is what a running server tells the other commands about itself.
type Server struct {
	PID int `json:"pid"`
	// URL is where the AWS API and the registry are reached.
	URL string `json:"url"`
	// CABundle is the file with the certificate of the server's own authority,
	// empty when the user gave a certificate instead.
	CABundle string `json:"ca_bundle,omitempty"`
	// AccessKeyID is that of the root key of Account.
	AccessKeyID string `json:"access_key_id"`
	// Listen are the addresses listened on, with their real ports.
	Listen  []string `json:"listen"`
	Account string   `json:"account"`
	Region  string   `json:"region"`
	// RegistryHost is the template of the registry's names, with its port.
	RegistryHost string `json:"registry_host"`
}

// ErrNotRunning is returned by Running when no server has the data folder.
var ErrNotRunning = errors.New("no server is running")

// Announce writes down that a server is ready, for the commands that look for it.
func (f *Folder) Announce(s Server) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", serverFile, err)
	}
	if err := atomicfile.Write(f.Path(serverFile), append(b, '\n'), 0o600); err != nil {
		return Explain(f.path, err)
	}
	return nil
}

// Withdraw takes back what Announce wrote.
func (f *Folder) Withdraw() error {
	if err := os.Remove(f.Path(serverFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", serverFile, err)
	}
	return nil
}

// Running finds the server that has a data folder. A server that was killed
// leaves its announcement behind but not its lock, which is what is asked.
// Errors: ErrNotRunning, those of reading a file.
func Running(folder string) (Server, error) {
	absent := fmt.Errorf("%w on the data folder %s: start it with drydock serve, or name its folder with --data", ErrNotRunning, folder)
	held, err := isHeld(filepath.Join(folder, "lock"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !held {
		return Server{}, absent
	}
	if err != nil {
		return Server{}, fmt.Errorf("looking for a server on the data folder %s: %w", folder, err)
	}
	b, err := os.ReadFile(filepath.Join(folder, serverFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Server{}, absent
	}
	if err != nil {
		return Server{}, fmt.Errorf("looking for a server on the data folder %s: %w", folder, err)
	}
	var s Server
	if err := json.Unmarshal(b, &s); err != nil {
		return Server{}, fmt.Errorf("reading %s: %w", filepath.Join(folder, serverFile), err)
	}
	return s, nil
}

// isHeld tries the lock in its shared form, which leaves it as it was.
func isHeld(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
