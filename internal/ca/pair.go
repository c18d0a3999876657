package ca

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
)

// Pair is a certificate of the user's own with its key, in two files. When the
// files change they are read again, so that a certificate can be renewed while
// the server runs. It is safe for concurrent use.
type Pair struct {
	certFile, keyFile string
	log               *slog.Logger

	mu          sync.Mutex
	certificate *tls.Certificate
	read        [2]fs.FileInfo // the files as they were when last read
}

// OpenPair reads a certificate chain and its key, both PEM. Errors: those of the
// file system; files that do not belong together.
func OpenPair(certFile, keyFile string, log *slog.Logger) (*Pair, error) {
	p := &Pair{certFile: certFile, keyFile: keyFile, log: log}
	now, err := p.stat()
	if err != nil {
		return nil, err
	}
	if p.certificate, err = p.load(); err != nil {
		return nil, err
	}
	p.read = now
	return p, nil
}

// GetCertificate is for tls.Config.
func (p *Pair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, err := p.stat()
	if err != nil || same(now, p.read) {
		// Files that are absent for the moment are being replaced.
		return p.certificate, nil
	}
	p.read = now
	c, err := p.load()
	if err != nil {
		// Most likely one file is new and the other not yet. Its turn comes at
		// the next handshake after it has changed too.
		p.log.Warn("keeping the TLS certificate that was read before", "error", err)
		return p.certificate, nil
	}
	p.log.Info("the TLS certificate has changed", "file", p.certFile, "expires", c.Leaf.NotAfter)
	p.certificate = c
	return c, nil
}

func (p *Pair) load() (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return nil, fmt.Errorf("the TLS certificate %s with the key %s cannot be used, check --tls-cert and --tls-key: %w", p.certFile, p.keyFile, err)
	}
	return &c, nil
}

func (p *Pair) stat() (infos [2]fs.FileInfo, err error) {
	for i, path := range []string{p.certFile, p.keyFile} {
		if infos[i], err = os.Stat(path); err != nil {
			return infos, fmt.Errorf("reading the TLS certificate, check --tls-cert and --tls-key: %w", err)
		}
	}
	return infos, nil
}

func same(a, b [2]fs.FileInfo) bool {
	for i := range a {
		if !os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()) {
			return false
		}
	}
	return true
}
