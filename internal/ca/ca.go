// Package ca is where the server's certificates come from: an authority of its
// own, made at first start, which issues one for each name as it is asked for, or
// a pair of files that the user gives instead.
//
// The authority ends up in systems' trust stores, where one that may sign
// anything would be a danger to its owner. Its certificate therefore carries name
// constraints (RFC 5280, section 4.2.1.10): it is good for the registry's own
// domain, Amazon's domains, localhost and addresses that are not public, and
// verifiers refuse whatever else it might sign.
package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"drydock/internal/atomicfile"
)

const (
	certificateFile = "ca.pem"
	keyFile         = "ca-key.pem"

	// lifetime is that of the authority's certificate, which people install by
	// hand; renewal is how long before its end it is made anew with the same key.
	lifetime = 10 * 365 * 24 * time.Hour
	renewal  = 365 * 24 * time.Hour
	// backdate allows for clients whose clocks are behind.
	backdate = time.Hour
)

// Options is what an Authority is made with.
type Options struct {
	// Folder keeps the key and the certificate; it is made where missing.
	Folder string
	// Answers reports for which names, other than localhost, to issue.
	Answers func(name string) bool
	// Domains are the DNS domains, each with all below it, for which the
	// authority may sign. localhost is always one.
	Domains []string
	// IPs are the addresses, beside loopback and private ones, for which it may
	// sign; the certificate for clients that give no name contains them.
	IPs  []net.IP
	Now  func() time.Time
	Rand io.Reader
}

// Authority issues certificates. It is safe for concurrent use.
type Authority struct {
	options     Options
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
	renewed     bool
	leaves      leaves
}

// CertificateFile is where the certificate of the authority kept in a folder is.
func CertificateFile(folder string) string { return filepath.Join(folder, certificateFile) }

// Open reads the authority from its folder, or makes it. A certificate that is
// near its end, or does not permit the domains and addresses of o, is replaced by
// one of the same key that is and does; see Renewed. The caller must hold the
// data folder. Errors: a key or certificate that is damaged or missing its other
// half, with what to do; those of the file system.
func Open(o Options) (*Authority, error) {
	if err := os.MkdirAll(o.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the certificate authority: %w", err)
	}
	if err := atomicfile.SyncFolder(filepath.Dir(o.Folder)); err != nil {
		return nil, err
	}
	a := &Authority{options: o}
	certificate, err := readCertificate(o.Folder)
	if err != nil {
		return nil, err
	}
	if a.key, err = readKey(o.Folder); err != nil {
		return nil, err
	}
	// The key is written before the certificate, so a process that dies between
	// the two leaves a key alone, for which a certificate is made now.
	switch {
	case a.key == nil && certificate != nil:
		return nil, fmt.Errorf("%s is there but its key is not: restore %s beside it, or remove it to have a new authority made, which clients must be told to trust",
			CertificateFile(o.Folder), keyFile)
	case a.key == nil:
		if a.key, err = makeKey(o); err != nil {
			return nil, err
		}
	case certificate != nil && !a.key.PublicKey.Equal(certificate.PublicKey):
		return nil, fmt.Errorf("%s is not the certificate of the key in %s: restore the right one, or remove both to have a new authority made, which clients must be told to trust",
			CertificateFile(o.Folder), keyFile)
	}
	if certificate == nil || !suffices(certificate, o) {
		a.renewed = certificate != nil
		if certificate, err = makeCertificate(o, a.key, certificate); err != nil {
			return nil, err
		}
	}
	a.certificate = certificate
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
	return a, a.leaves.init(o.Rand)
}

// PEM is the certificate that clients are to trust.
func (a *Authority) PEM() []byte { return bytes.Clone(a.pem) }

// Renewed reports whether Open replaced the certificate: clients that trust the
// one before should be given the new one.
func (a *Authority) Renewed() bool { return a.renewed }

func readCertificate(folder string) (*x509.Certificate, error) {
	path := CertificateFile(folder)
	block, err := readPEM(path, "CERTIFICATE")
	if block == nil || err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(block)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: restore it, or remove it to have it made again: %w", path, err)
	}
	return c, nil
}

func readKey(folder string) (*ecdsa.PrivateKey, error) {
	path := filepath.Join(folder, keyFile)
	block, err := readPEM(path, "PRIVATE KEY")
	if block == nil || err != nil {
		return nil, err
	}
	k, err := x509.ParsePKCS8PrivateKey(block)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged, restore it: %w", path, err)
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T, want an ECDSA key", path, k)
	}
	return key, nil
}

// readPEM returns nil where there is no file.
func readPEM(path, kind string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s is damaged, restore it: it holds no PEM block %q", path, kind)
	}
	return block.Bytes, nil
}

func makeKey(o Options) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), o.Rand)
	if err != nil {
		return nil, fmt.Errorf("making the key of the certificate authority: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the key of the certificate authority: %w", err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return key, atomicfile.Write(filepath.Join(o.Folder, keyFile), b, 0o600)
}

// makeCertificate permits what o names and what before, which may be nil,
// permitted: changing the configuration forth and back changes it only once.
func makeCertificate(o Options, key *ecdsa.PrivateKey, before *x509.Certificate) (*x509.Certificate, error) {
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("encoding the key of the certificate authority: %w", err)
	}
	id := sha256.Sum256(public)
	serial, err := serialNumber(o.Rand)
	if err != nil {
		return nil, err
	}
	now := o.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		// The name differs from key to key, because verifiers find an issuer by
		// its name and a trust store may hold several of these.
		Subject:   pkix.Name{Organization: []string{"drydock"}, CommonName: "drydock CA " + hex.EncodeToString(id[:4])},
		NotBefore: now.Add(-backdate),
		NotAfter:  now.Add(lifetime),

		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		SubjectKeyId:          id[:20],

		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         permittedDomains(o, before),
		PermittedIPRanges:           permittedRanges(o, before),
	}
	der, err := x509.CreateCertificate(o.Rand, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the certificate of the certificate authority: %w", err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := atomicfile.Write(CertificateFile(o.Folder), b, 0o644); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func serialNumber(rand io.Reader) (*big.Int, error) {
	var b [16]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	b[0] &= 0x7f // positive in 16 bytes; RFC 5280 allows 20
	return new(big.Int).SetBytes(b[:]), nil
}
