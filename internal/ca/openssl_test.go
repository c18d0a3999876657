package ca

import (
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestOpenSSLAgrees asks the verifier that curl, Python and with it the aws CLI
// use, in its strict mode, which Python applies from 3.13 on.
func TestOpenSSLAgrees(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	folder := t.TempDir()
	a := authority(t, options(folder))
	for _, c := range []struct {
		name string
		ips  []net.IP
		ask  []string
		fine bool
	}{
		{"x.amazonaws.com", nil, []string{"-verify_hostname", "x.amazonaws.com"}, true},
		{"registry.lab.example", nil, []string{"-verify_hostname", "registry.lab.example"}, true},
		{"localhost", []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"-verify_ip", "127.0.0.1"}, true},
		{"x.amazonaws.com", nil, []string{"-verify_hostname", "y.amazonaws.com"}, false},
		{"www.example.org", nil, []string{"-verify_hostname", "www.example.org"}, false},
		{"localhost", []net.IP{net.IPv4(198, 51, 100, 1)}, []string{"-verify_ip", "198.51.100.1"}, false},
	} {
		leaf, err := a.issue(time.Now(), []string{c.name}, c.ips)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, "leaf.pem")
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", CertificateFile(folder)}, c.ask...)
		out, err := exec.Command(openssl, append(args, path)...).CombinedOutput()
		if (err == nil) != c.fine {
			t.Errorf("%s %v %v: %v\n%s", c.name, c.ips, c.ask, err, out)
		}
	}
}
