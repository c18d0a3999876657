package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair puts a new certificate with its key into two files.
func writePair(t *testing.T, certFile, keyFile string) {
	t.Helper()
	a := authority(t, options(t.TempDir()))
	c, err := a.issue(time.Now(), []string{"registry.lab.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if path == "" {
			continue
		}
		if err := os.WriteFile(path+".new", pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPairIsReadAgainWhenItsFilesChange(t *testing.T) {
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "c.pem"), filepath.Join(folder, "k.pem")
	writePair(t, certFile, keyFile)
	var logged bytes.Buffer
	p, err := OpenPair(certFile, keyFile, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		c, err := p.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.String()
	}
	first := serial()
	if serial() != first || logged.Len() > 0 {
		t.Errorf("an unchanged pair was read again: %s", &logged)
	}
	writePair(t, certFile, "") // the key's turn has not come yet
	if serial() != first {
		t.Error("half a pair was taken")
	}
	if !strings.Contains(logged.String(), "keeping the TLS certificate") {
		t.Errorf("nothing was said about it: %s", &logged)
	}
	writePair(t, certFile, keyFile)
	second := serial()
	if second == first {
		t.Error("the new pair was not taken")
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if serial() != second {
		t.Error("a pair whose file is absent for the moment was given up")
	}
}

func TestAPairThatCannotBeUsedIsRefused(t *testing.T) {
	folder := t.TempDir()
	good, other := filepath.Join(folder, "good"), filepath.Join(folder, "other")
	writePair(t, good+".crt", good+".key")
	writePair(t, other+".crt", other+".key")
	for _, files := range [][2]string{
		{good + ".crt", other + ".key"}, {good + ".key", good + ".crt"}, {filepath.Join(folder, "absent"), good + ".key"},
	} {
		if _, err := OpenPair(files[0], files[1], slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "--tls-cert") {
			t.Errorf("%v: %v", files, err)
		}
	}
}
