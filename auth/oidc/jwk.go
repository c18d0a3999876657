package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// jwk is a key as RFC 7517 writes it, as far as it is a public key that signs.
type jwk struct {
	Type      string   `json:"kty"`
	Use       string   `json:"use"`
	Uses      []string `json:"key_ops"`
	Algorithm string   `json:"alg"`
	ID        string   `json:"kid"`
	Curve     string   `json:"crv"`
	N         string   `json:"n"`
	E         string   `json:"e"`
	X         string   `json:"x"`
	Y         string   `json:"y"`
}

// errOther says that a key is not one that tokens are signed with.
var errOther = errors.New("the key is for something else")

// minRSA is the least number of bits of an RSA key, as RFC 7518 section 3.3 asks.
const minRSA = 2048

// parseKeys reads a JWKS. Keys of kinds that are not used here, or that are for
// something else, are left out. Errors: it is none, or none of its keys is of
// use.
func parseKeys(text []byte) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("it is not a set of keys (JWKS): %w", err)
	}
	var keys []key
	for _, raw := range set.Keys {
		var j jwk
		if err := json.Unmarshal(raw, &j); err != nil {
			continue
		}
		if public, err := j.public(); err == nil {
			keys = append(keys, key{j.ID, j.Algorithm, public})
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds no key that signs tokens (RSA of 2048 bits and more, P-256, P-384, Ed25519)")
	}
	return keys, nil
}

func (j jwk) public() (crypto.PublicKey, error) {
	if j.Use != "" && j.Use != "sig" {
		return nil, errOther
	}
	verifies := len(j.Uses) == 0
	for _, u := range j.Uses {
		verifies = verifies || u == "verify"
	}
	switch {
	case !verifies:
		return nil, errOther
	case j.Type == "RSA":
		return j.rsa()
	case j.Type == "EC":
		return j.ec()
	case j.Type == "OKP" && j.Curve == "Ed25519":
		x, err := decode(j.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, errors.New("an Ed25519 key has 32 bytes")
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, errOther
}

func (j jwk) rsa() (crypto.PublicKey, error) {
	n, err := decode(j.N)
	if err != nil {
		return nil, err
	}
	e, err := decode(j.E)
	if err != nil {
		return nil, err
	}
	k := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
	exponent := new(big.Int).SetBytes(e)
	if k.N.BitLen() < minRSA || k.N.BitLen() > 16384 || !exponent.IsInt64() || exponent.Int64() < 3 || exponent.Int64() > 1<<31-1 || exponent.Bit(0) == 0 {
		return nil, errors.New("the RSA key is too weak")
	}
	k.E = int(exponent.Int64())
	return k, nil
}

func (j jwk) ec() (crypto.PublicKey, error) {
	var curve elliptic.Curve
	switch j.Curve {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	default:
		return nil, errOther
	}
	x, err := decode(j.X)
	if err != nil {
		return nil, err
	}
	y, err := decode(j.Y)
	if err != nil {
		return nil, err
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) != size || len(y) != size {
		return nil, fmt.Errorf("the coordinates of a key on %s have %d bytes", j.Curve, size)
	}
	return ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
}

// decode reads base64url, which should have no padding and sometimes does.
func decode(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

// fits reports whether a key can sign in an algorithm.
func (k key) fits(algorithm string) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch p := k.public.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS")
	case *ecdsa.PublicKey:
		return algorithm == "ES256" && p.Curve == elliptic.P256() || algorithm == "ES384" && p.Curve == elliptic.P384()
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}
