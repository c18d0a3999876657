package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"drydock/internal/atomicfile"
)

// ParseKey reads a key as it is kept in the file and given in the environment:
// KeySize bytes in base64.
func ParseKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != KeySize {
		// The text is not repeated: it may be a key with one letter missing.
		return nil, fmt.Errorf("a seal key is %d bytes in base64, which is %d characters (make one with: openssl rand -base64 %d)",
			KeySize, base64.StdEncoding.EncodedLen(KeySize), KeySize)
	}
	return key, nil
}

// OpenFile makes a box of the key in a file, which is made first where there is
// none, readable by its owner only. Errors: those of reading and writing files;
// the file does not hold a key.
func OpenFile(path string, random io.Reader) (*Box, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key := make([]byte, KeySize)
		if _, err := io.ReadFull(random, key); err != nil {
			return nil, fmt.Errorf("make a seal key: %w", err)
		}
		text = []byte(base64.StdEncoding.EncodeToString(key) + "\n")
		if err := atomicfile.Write(path, text, 0o600); err != nil {
			return nil, fmt.Errorf("keep the seal key: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("read the seal key: %w", err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s does not hold a seal key: %w", path, err)
	}
	return New(key, random)
}
