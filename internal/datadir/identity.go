package datadir

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"drydock/internal/atomicfile"
)

const identityFile = "id"

// ID is what tells this data folder from all others, made from rand where it has
// none. It is no secret.
func (f *Folder) ID(rand io.Reader) (string, error) {
	b, err := os.ReadFile(f.Path(identityFile))
	if err == nil {
		if id := strings.TrimSpace(string(b)); id != "" {
			return id, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the id of the data folder: %w", err)
	}
	var made [8]byte
	if _, err := io.ReadFull(rand, made[:]); err != nil {
		return "", fmt.Errorf("make the id of the data folder: %w", err)
	}
	id := hex.EncodeToString(made[:])
	return id, Explain(f.path, atomicfile.Write(f.Path(identityFile), []byte(id+"\n"), 0o644))
}
