// Package seal encrypts the secrets that have to lie in the database, with a key
// that does not: who has a copy of the database alone has no secret. It knows
// AES-256-GCM and a key file, and nothing of what is sealed.
//
// Source: NIST SP 800-38D; RFC 5869 for the keys derived from the one key.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// KeySize is the length in bytes of a key.
const KeySize = 32

// ErrOtherKey is returned for what was sealed with another key.
var ErrOtherKey = errors.New("it was sealed with another key than this server has: start it with the seal.key file or DRYDOCK_SEAL_KEY that belongs to the database")

// ErrDamaged is returned for what is not as it was when it was sealed, or was
// sealed for another place.
var ErrDamaged = errors.New("the sealed value is damaged or belongs to another record")

// What is sealed is laid out as: version, the beginning of the key's hash, the
// nonce, the text with its authentication tag.
const (
	version     = 1
	fingerprint = 4
	nonceSize   = 12
	headerSize  = 1 + fingerprint
	overhead    = headerSize + nonceSize + 16
)

// Box seals and opens. It may be used by many goroutines if its source of
// randomness may.
type Box struct {
	key    []byte
	header [headerSize]byte
	aead   cipher.AEAD
	random io.Reader
}

// New makes a box of a key of KeySize bytes; random yields the nonces.
func New(key []byte, random io.Reader) (*Box, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("a seal key has %d bytes, this one has %d", KeySize, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("set up sealing: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("set up sealing: %w", err)
	}
	b := &Box{key: bytes.Clone(key), aead: aead, random: random}
	sum := sha256.Sum256(append([]byte("drydock seal key "), key...))
	b.header[0] = version
	copy(b.header[1:], sum[:])
	return b, nil
}

// For returns a box whose key is derived from this one's for a purpose of its
// own, so that values sealed in great number or for strangers' eyes share
// neither nonces nor meaning with the secrets.
func (b *Box) For(purpose string) (*Box, error) {
	key, err := hkdf.Key(sha256.New, b.key, nil, "drydock "+purpose, KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive a key for %s: %w", purpose, err)
	}
	return New(key, b.random)
}

// Derive returns bytes that follow from the key, a purpose and a name: the same each
// time, and not to be guessed without the key. size is in bytes.
func (b *Box) Derive(purpose, name string, size int) ([]byte, error) {
	out, err := hkdf.Key(sha256.New, b.key, nil, "drydock "+purpose+"\x00"+name, size)
	if err != nil {
		return nil, fmt.Errorf("derive %s: %w", purpose, err)
	}
	return out, nil
}

// Seal encrypts text. Only a call of Open with the same place opens it again:
// place names the record that the value belongs to, so that it cannot be moved
// into another one.
func (b *Box) Seal(text []byte, place string) ([]byte, error) {
	sealed := make([]byte, headerSize+nonceSize, overhead+len(text))
	copy(sealed, b.header[:])
	nonce := sealed[headerSize:]
	if _, err := io.ReadFull(b.random, nonce); err != nil {
		return nil, fmt.Errorf("make a nonce: %w", err)
	}
	return b.aead.Seal(sealed, nonce, text, []byte(place)), nil
}

// Open decrypts what Seal made for the same place. Errors: ErrOtherKey,
// ErrDamaged.
func (b *Box) Open(sealed []byte, place string) ([]byte, error) {
	if len(sealed) < overhead || sealed[0] != version {
		return nil, ErrDamaged
	}
	if !bytes.Equal(sealed[:headerSize], b.header[:]) {
		return nil, ErrOtherKey
	}
	rest := sealed[headerSize:]
	text, err := b.aead.Open(nil, rest[:nonceSize], rest[nonceSize:], []byte(place))
	if err != nil {
		return nil, ErrDamaged
	}
	return text, nil
}
