package datadir

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"drydock/internal/atomicfile"
)

const rootKeyFile = "root-key.json"

// Key is an access key: an id and its secret.
type Key struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
}

// ErrNoRootKey is returned by ReadRootKey when no key has been made yet.
var ErrNoRootKey = errors.New("there is no root key yet: start the server once with drydock serve, which makes it")

// ReadRootKey reads the root key that is kept in a data folder. Errors:
// ErrNoRootKey, those of reading a file.
func ReadRootKey(folder string) (Key, error) {
	path := filepath.Join(folder, rootKeyFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, fmt.Errorf("%w (looked in %s)", ErrNoRootKey, folder)
	}
	if err != nil {
		return Key{}, fmt.Errorf("reading the root key: %w", err)
	}
	var k Key
	if err := json.Unmarshal(b, &k); err != nil || k.AccessKeyID == "" || k.SecretAccessKey == "" {
		return Key{}, fmt.Errorf("%s does not hold a root key: restore it, or remove it to have a new key made", path)
	}
	return k, nil
}

// RootKey reads the root key, or makes one from rand where there is none.
func (f *Folder) RootKey(rand io.Reader) (Key, error) {
	k, err := ReadRootKey(f.path)
	if !errors.Is(err, ErrNoRootKey) {
		return k, err
	}
	if k, err = NewKey(rand); err != nil {
		return Key{}, err
	}
	return k, f.KeepRootKey(k)
}

// KeepRootKey makes k the root key that the folder keeps.
func (f *Folder) KeepRootKey(k Key) error {
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the root key: %w", err)
	}
	return Explain(f.path, atomicfile.Write(f.Path(rootKeyFile), append(b, '\n'), 0o600))
}

// NewKey makes an access key of the form that AWS gives to users: AKIA and 16
// characters of base32, with a secret of 40 characters.
func NewKey(rand io.Reader) (Key, error) {
	var b [10 + 30]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return Key{}, fmt.Errorf("making an access key: %w", err)
	}
	return Key{
		AccessKeyID:     "AKIA" + base32.StdEncoding.EncodeToString(b[:10]),
		SecretAccessKey: base64.StdEncoding.EncodeToString(b[10:]),
	}, nil
}
