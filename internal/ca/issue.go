package ca

import (
	"container/list"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// leafLifetime is how long an issued certificate is good for; leafRenewal is
	// how long before its end it is issued anew. They are kept in memory only.
	leafLifetime = 90 * 24 * time.Hour
	leafRenewal  = 30 * 24 * time.Hour
	// leavesKept bounds the memory that clients can take by asking for names:
	// every account in every region is a name.
	leavesKept = 256
)

// leaves are the certificates issued lately, the latest used first. One lock
// serves for both finding and issuing: issuing takes a tenth of a millisecond,
// far less than the handshake that asks for it, and so no name is issued twice.
type leaves struct {
	mu     sync.Mutex
	key    *ecdsa.PrivateKey // of all of them; never stored
	order  *list.List        // of *leaf
	byName map[string]*list.Element
}

type leaf struct {
	name        string
	certificate *tls.Certificate
}

func (l *leaves) init(rand io.Reader) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand)
	if err != nil {
		return fmt.Errorf("making the server's key: %w", err)
	}
	l.key, l.order, l.byName = key, list.New(), map[string]*list.Element{}
	return nil
}

// GetCertificate is for tls.Config. A client that asks for a name the server
// does not go by, or for none, gets the certificate for localhost and the
// server's addresses: the client then says what is wrong in its own words, which
// a failed handshake does not let it do.
func (a *Authority) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if name != "" && name != "localhost" && net.ParseIP(name) == nil && a.options.Answers(name) && a.permits(name) {
		return a.issued(name, []string{name}, nil)
	}
	ips := append([]net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, a.options.IPs...)
	key := "localhost"
	if t, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok && within(t.IP, a.certificate.PermittedIPRanges) && !slices.ContainsFunc(ips, t.IP.Equal) {
		key = t.IP.String()
		ips = append(ips, t.IP)
	}
	return a.issued(key, []string{"localhost"}, ips)
}

// permits keeps to the constraints: one name outside them would make a
// certificate that verifiers refuse as a whole.
func (a *Authority) permits(name string) bool {
	for _, d := range a.certificate.PermittedDNSDomains {
		if name == d || strings.HasSuffix(name, "."+d) {
			return true
		}
	}
	return false
}

func (a *Authority) issued(key string, names []string, ips []net.IP) (*tls.Certificate, error) {
	l := &a.leaves
	l.mu.Lock()
	defer l.mu.Unlock()
	now := a.options.Now()
	if e, ok := l.byName[key]; ok {
		c := e.Value.(*leaf).certificate
		// One that begins later is of a clock that was wrong.
		if now.Add(leafRenewal).Before(c.Leaf.NotAfter) && !now.Before(c.Leaf.NotBefore) {
			l.order.MoveToFront(e)
			return c, nil
		}
		l.forget(e)
	}
	c, err := a.issue(now, names, ips)
	if err != nil {
		return nil, err
	}
	l.byName[key] = l.order.PushFront(&leaf{key, c})
	if l.order.Len() > leavesKept {
		l.forget(l.order.Back())
	}
	return c, nil
}

func (l *leaves) forget(e *list.Element) {
	l.order.Remove(e)
	delete(l.byName, e.Value.(*leaf).name)
}

func (a *Authority) issue(now time.Time, names []string, ips []net.IP) (*tls.Certificate, error) {
	serial, err := serialNumber(a.options.Rand)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// No common name: it may not exceed 64 characters, and verifiers go by
		// the alternative names alone.
		Subject:     pkix.Name{Organization: []string{"drydock"}},
		NotBefore:   now.Add(-backdate),
		NotAfter:    earlier(now.Add(leafLifetime), a.certificate.NotAfter),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// Present and saying "not a CA", which strict verifiers look for.
		BasicConstraintsValid: true,
		DNSNames:              names,
		IPAddresses:           ips,
	}
	key := a.leaves.key
	der, err := x509.CreateCertificate(a.options.Rand, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate for %s: %w", names[0], err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate for %s: %w", names[0], err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
