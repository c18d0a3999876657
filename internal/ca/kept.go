package ca

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"drydock/internal/atomicfile"
)

// Kept is an authority as its folder keeps it, for servers that share one.
type Kept struct {
	// Key and Certificate are PEM; nil where there is none.
	Key         []byte `json:"key"`
	Certificate []byte `json:"certificate"`
}

// Encode makes one text of an authority, for Decode.
func (k Kept) Encode() ([]byte, error) {
	text, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("encoding the certificate authority: %w", err)
	}
	return text, nil
}

// Decode is the opposite of Kept.Encode.
func Decode(text []byte) (Kept, error) {
	var k Kept
	if err := json.Unmarshal(text, &k); err != nil || k.Key == nil || k.Certificate == nil {
		return Kept{}, errors.New("the certificate authority that the servers share is damaged")
	}
	return k, nil
}

// ReadFolder reads what a folder keeps, without looking into it. Errors: those of
// reading files; it is none that there are no files.
func ReadFolder(folder string) (Kept, error) {
	var k Kept
	for name, into := range map[string]*[]byte{keyFile: &k.Key, certificateFile: &k.Certificate} {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Kept{}, fmt.Errorf("reading the certificate authority: %w", err)
		}
		*into = b
	}
	return k, nil
}

// WriteFolder makes a folder keep k, and reports whether it kept another key before.
// Between its two writes the folder holds what does not belong together: who shares
// an authority writes it before each Open.
func WriteFolder(folder string, k Kept) (changed bool, err error) {
	before, err := ReadFolder(folder)
	if err != nil {
		return false, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return false, fmt.Errorf("making the folder of the certificate authority: %w", err)
	}
	if !bytes.Equal(before.Key, k.Key) {
		if err := atomicfile.Write(filepath.Join(folder, keyFile), k.Key, 0o600); err != nil {
			return false, err
		}
	}
	if !bytes.Equal(before.Certificate, k.Certificate) {
		if err := atomicfile.Write(CertificateFile(folder), k.Certificate, 0o644); err != nil {
			return false, err
		}
	}
	return before.Key != nil && !bytes.Equal(before.Key, k.Key), nil
}
