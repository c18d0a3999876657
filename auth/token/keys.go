package token

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"drydock/internal/atomicfile"
)

// Key signs tokens. Its id stands in their headers, so that tokens signed with
// an older key are still understood after a new one has come.
type Key struct {
	ID     string `json:"id"`
	Secret []byte `json:"secret"`
}

// Keys are the keys of a server: the first signs, all verify.
type Keys struct {
	list []Key
}

// secretSize is that of SHA-256, as RFC 7518 section 3.2 asks for HS256.
const secretSize = 32

var errUnknownKey = errors.New("the token names no key of this server")

// NewKeys checks and takes a list of keys, the signing one first.
func NewKeys(list ...Key) (*Keys, error) {
	if len(list) == 0 {
		return nil, errors.New("there is no key to sign tokens with")
	}
	for _, k := range list {
		if k.ID == "" || len(k.Secret) < secretSize {
			return nil, fmt.Errorf("a key that signs tokens needs an id and at least %d bytes", secretSize)
		}
	}
	return &Keys{list: list}, nil
}

// OpenKeys reads the keys kept in a file, and makes the first where there is
// none. The file is readable by its owner only.
func OpenKeys(path string, random io.Reader) (*Keys, error) {
	var list []Key
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, fmt.Errorf("read the keys that sign passwords in %s: %w", path, err)
		}
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("read the keys that sign passwords: %w", err)
	default:
		var b [8 + secretSize]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return nil, fmt.Errorf("make a key that signs passwords: %w", err)
		}
		list = []Key{{ID: hex.EncodeToString(b[:8]), Secret: b[8:]}}
		if text, err = json.Marshal(list); err != nil {
			return nil, err
		}
		if err := atomicfile.Write(path, text, 0o600); err != nil {
			return nil, fmt.Errorf("keep the key that signs passwords: %w", err)
		}
	}
	return NewKeys(list...)
}

func (k *Keys) signing() Key { return k.list[0] }

func (k *Keys) verifying(id string) ([]byte, error) {
	for _, key := range k.list {
		if key.ID == id {
			return key.Secret, nil
		}
	}
	return nil, errUnknownKey
}
