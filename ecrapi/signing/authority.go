package signing

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"drydock/storage"
)

// How long certificates last. A signature is worth nothing once the certificates
// under it have ended, since there is no time-stamping authority here; so they last
// long, and a profile gets a new one well before its own ends.
const (
	rootLasts = 30 * 365 * 24 * time.Hour
	leafLasts = 10 * 365 * 24 * time.Hour
	// renewBefore is how long a signature that is made last has to be good for.
	renewBefore = 5 * 365 * 24 * time.Hour
	// early is for how long before its making a certificate holds, for verifiers
	// whose clocks are behind.
	early = time.Hour
)

// identity is a key with its certificate, and that of its issuer, which is the same
// for an authority.
type identity struct {
	key                 *ecdsa.PrivateKey
	certificate, issuer *x509.Certificate
}

// sealed is an identity as it is kept: the certificates for all to see, the key
// sealed.
type sealed struct {
	Certificate []byte `json:"certificate"`
	Issuer      []byte `json:"issuer"`
	Key         []byte `json:"key"`
}

// keep writes down an identity that belongs to a place.
func (p *Profiles) keep(i identity, place string) (string, error) {
	key, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		return "", fmt.Errorf("write a key: %w", err)
	}
	s := sealed{Certificate: i.certificate.Raw, Issuer: i.issuer.Raw}
	if s.Key, err = p.o.Box.Seal(key, place); err != nil {
		return "", fmt.Errorf("seal a key: %w", err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("write an identity: %w", err)
	}
	return string(text), nil
}

// open reads an identity that belongs to a place.
func (p *Profiles) open(document, place string) (identity, error) {
	certificate, issuer, err := shown(document)
	if err != nil {
		return identity{}, err
	}
	var s sealed
	if err := json.Unmarshal([]byte(document), &s); err != nil {
		return identity{}, fmt.Errorf("read the key of %s: %w", place, err)
	}
	text, err := p.o.Box.Open(s.Key, place)
	if err != nil {
		return identity{}, fmt.Errorf("open the key of %s: %w", place, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(text)
	if err != nil {
		return identity{}, fmt.Errorf("read the key of %s: %w", place, err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return identity{}, fmt.Errorf("the key of %s is of another kind than those made here", place)
	}
	return identity{ec, certificate, issuer}, nil
}

// shown reads the certificates of an identity.
func shown(document string) (certificate, issuer *x509.Certificate, err error) {
	var s sealed
	if err := json.Unmarshal([]byte(document), &s); err != nil {
		return nil, nil, fmt.Errorf("read an identity: %w", err)
	}
	if certificate, err = x509.ParseCertificate(s.Certificate); err == nil {
		issuer, err = x509.ParseCertificate(s.Issuer)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read a certificate: %w", err)
	}
	return certificate, issuer, nil
}

// name is the subject of a certificate. Notation wants country, state and
// organisation of whoever is trusted by name: they are nobody's, the region and the
// account.
func name(of storage.Scope, common string) pkix.Name {
	return pkix.Name{Country: []string{"ZZ"}, Province: []string{of.Region}, Organization: []string{of.Account}, CommonName: common}
}

// rootName is the common name of the authority of an account and a region.
const rootName = "drydock signing"

// newRoot makes the authority of an account and a region.
func (p *Profiles) newRoot(of storage.Scope) (identity, error) {
	now := p.o.Now()
	template := x509.Certificate{
		Subject: name(of, rootName), NotBefore: now.Add(-early), NotAfter: now.Add(rootLasts),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	return p.issue(&template, nil)
}

// newLeaf makes the identity of a profile, as the Notary Project's specification
// wants those who sign.
// Source: https://github.com/notaryproject/specifications, "Certificate requirements".
func (p *Profiles) newLeaf(of storage.Scope, profile string, root identity) (identity, error) {
	now := p.o.Now()
	ends := now.Add(leafLasts)
	if last := root.certificate.NotAfter; ends.After(last) {
		ends = last
	}
	template := x509.Certificate{
		Subject: name(of, profile), NotBefore: now.Add(-early), NotAfter: ends,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, BasicConstraintsValid: true,
	}
	return p.issue(&template, &root)
}

// issue makes a key and a certificate for it, by itself where there is no issuer.
func (p *Profiles) issue(template *x509.Certificate, by *identity) (identity, error) {
	var serial [16]byte
	if _, err := io.ReadFull(p.o.Random, serial[:]); err != nil {
		return identity{}, fmt.Errorf("make a serial number: %w", err)
	}
	serial[0] &= 0x7f // it has to be positive
	template.SerialNumber = new(big.Int).SetBytes(serial[:])
	// Keys come from the system whatever is handed in: the library does not ask.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return identity{}, fmt.Errorf("make a key: %w", err)
	}
	issuer, signer := template, key
	if by != nil {
		issuer, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, signer)
	if err != nil {
		return identity{}, fmt.Errorf("make a certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return identity{}, fmt.Errorf("read a certificate: %w", err)
	}
	if by != nil {
		return identity{key, certificate, by.certificate}, nil
	}
	return identity{key, certificate, certificate}, nil
}

// errEnded says that the authority of a registry is too old to sign under.
var errEnded = errors.New("the signing authority of this registry has ended: remove its profiles, add them anew, and export the trust store again")
