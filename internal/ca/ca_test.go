package ca

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func amazonAndLab(name string) bool {
	return strings.HasSuffix(name, ".amazonaws.com") || name == "registry.lab.example" || name == "evil.example"
}

func options(folder string) Options {
	return Options{
		Folder:  folder,
		Answers: amazonAndLab,
		Domains: []string{"amazonaws.com", "registry.lab.example"},
		Now:     time.Now,
		Rand:    rand.Reader,
	}
}

func authority(t *testing.T, o Options) *Authority {
	t.Helper()
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// handshake connects a client that trusts only a, and asks for name.
func handshake(t *testing.T, a *Authority, pem []byte, name string) (*x509.Certificate, error) {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the authority's PEM holds no certificate")
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: a.GetCertificate})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: roots, ServerName: name, Time: a.options.Now})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

func TestClientsVerifyTheServersNames(t *testing.T) {
	a := authority(t, options(t.TempDir()))
	for _, name := range []string{
		"1234567890.dkr.ecr.eu-west-1.amazonaws.com", "API.ecr.us-east-1.amazonaws.com",
		"registry.lab.example", "localhost", "127.0.0.1", "::1",
	} {
		c, err := handshake(t, a, a.PEM(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if days := c.NotAfter.Sub(c.NotBefore).Hours() / 24; days > 366 {
			t.Errorf("%s: valid for %.0f days", name, days)
		}
		if c.NotBefore.After(time.Now().Add(-50 * time.Minute)) {
			t.Errorf("%s: valid since %v, too strict for a client whose clock is behind", name, c.NotBefore)
		}
	}
}

func TestNoCertificateIsIssuedForOtherNames(t *testing.T) {
	a := authority(t, options(t.TempDir()))
	// evil.example passes Answers here, so that the constraint alone stops it.
	for _, name := range []string{"www.example.org", "evil.example", "lab.example", "amazonaws.com.example.org"} {
		_, err := handshake(t, a, a.PEM(), name)
		var mismatch x509.HostnameError
		if !errors.As(err, &mismatch) {
			t.Errorf("%s: got %v, want a complaint about the name", name, err)
		}
	}
}

func TestTheConstraintsBindWhoeverHoldsTheKey(t *testing.T) {
	a := authority(t, options(t.TempDir()))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.PEM())
	for _, c := range []struct {
		names []string
		ips   []net.IP
		fine  bool
	}{
		{[]string{"x.amazonaws.com"}, nil, true},
		{[]string{"localhost"}, []net.IP{net.IPv4(10, 1, 2, 3), net.ParseIP("fd00::1")}, true},
		{[]string{"www.example.org"}, nil, false},
		{[]string{"localhost", "www.example.org"}, nil, false},
		{[]string{"localhost"}, []net.IP{net.IPv4(198, 51, 100, 1)}, false},
	} {
		leaf, err := a.issue(time.Now(), c.names, c.ips)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: roots}); (err == nil) != c.fine {
			t.Errorf("%v %v: %v", c.names, c.ips, err)
		}
	}
}

func TestTheAuthorityOutlivesTheServer(t *testing.T) {
	folder := t.TempDir()
	first := authority(t, options(folder))
	second := authority(t, options(folder))
	if !bytes.Equal(first.PEM(), second.PEM()) || second.Renewed() {
		t.Error("a second start has another certificate")
	}
	if _, err := handshake(t, second, first.PEM(), "x.amazonaws.com"); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(folder, keyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
}

// TestAProcessKilledAtAnyMomentLeavesAnAuthority goes through every state that
// the folder can be in while Open makes the authority.
func TestAProcessKilledAtAnyMomentLeavesAnAuthority(t *testing.T) {
	whole := t.TempDir()
	authority(t, options(whole))
	key, err := os.ReadFile(filepath.Join(whole, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]map[string][]byte{
		"nothing":                  {},
		"half a key, unnamed":      {"." + keyFile + ".new": key[:20]},
		"a key":                    {keyFile: key},
		"a key, half a cert":       {keyFile: key, "." + certificateFile + ".new": []byte("-----BEG")},
		"no folder for it, either": nil,
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "tls")
			if files != nil {
				if err := os.Mkdir(folder, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for f, content := range files {
				if err := os.WriteFile(filepath.Join(folder, f), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			a := authority(t, options(folder))
			if _, err := handshake(t, a, a.PEM(), "x.amazonaws.com"); err != nil {
				t.Error(err)
			}
			entries, err := os.ReadDir(folder)
			if err != nil || len(entries) != 2 {
				t.Errorf("the folder holds %v, %v", entries, err)
			}
		})
	}
}

func TestADamagedAuthorityIsNotReplaced(t *testing.T) {
	damage := map[string]func(folder string) error{
		"the key is gone":      func(f string) error { return os.Remove(filepath.Join(f, keyFile)) },
		"the key is empty":     func(f string) error { return os.Truncate(filepath.Join(f, keyFile), 0) },
		"the cert is cut":      func(f string) error { return os.Truncate(CertificateFile(f), 100) },
		"the key is another's": func(f string) error { return os.Rename(filepath.Join(f, "other", keyFile), filepath.Join(f, keyFile)) },
		"the key is no PEM key": func(f string) error {
			return os.WriteFile(filepath.Join(f, keyFile), []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600)
		},
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			authority(t, options(folder))
			authority(t, options(filepath.Join(folder, "other")))
			if err := do(folder); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(options(folder)); err == nil || !strings.Contains(err.Error(), "restore") {
				t.Errorf("got %v, want a sentence that says what to restore", err)
			}
		})
	}
}

func TestAnUnwritableFolderIsReported(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong *fs.PathError
	if _, err := Open(options(filepath.Join(file, "tls"))); !errors.As(err, &wrong) {
		t.Errorf("got %v", err)
	}
}

func TestTheCertificateIsRenewedWithTheSameKey(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"for a new domain":  func(o *Options) { o.Domains = append(o.Domains, "other.example") },
		"for a new address": func(o *Options) { o.IPs = []net.IP{net.IPv4(198, 51, 100, 1)} },
		"before its end":    func(o *Options) { o.Now = func() time.Time { return time.Now().Add(lifetime - renewal/2) } },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t.TempDir())
			before := authority(t, o)
			changed := o
			change(&changed)
			after := authority(t, changed)
			if !after.Renewed() {
				t.Fatal("the certificate was kept")
			}
			if _, err := handshake(t, after, after.PEM(), "x.amazonaws.com"); err != nil {
				t.Error(err)
			}
			if name != "before its end" {
				if _, err := handshake(t, after, before.PEM(), "x.amazonaws.com"); err != nil {
					t.Errorf("clients that trust the certificate before are cut off: %v", err)
				}
				if back := authority(t, o); back.Renewed() {
					t.Error("going back to the old configuration made a third certificate")
				}
			}
		})
	}
}

func TestCertificatesAreKeptAndIssuedAnewBeforeTheirEnd(t *testing.T) {
	o := options(t.TempDir())
	now := time.Now()
	o.Now = func() time.Time { return now }
	a := authority(t, o)
	serial := func() string {
		c, err := handshake(t, a, a.PEM(), "x.amazonaws.com")
		if err != nil {
			t.Fatal(err)
		}
		return c.SerialNumber.String()
	}
	first := serial()
	if serial() != first {
		t.Error("a certificate was not kept")
	}
	now = now.Add(leafLifetime - leafRenewal + time.Minute)
	if serial() == first {
		t.Error("a certificate near its end was not issued anew")
	}
}

func TestNoCertificateOfAClockThatWasWrongIsShownOnceItIsRight(t *testing.T) {
	right := time.Now()
	for name, wrong := range map[string]time.Time{
		"ahead": right.AddDate(5, 0, 0), "ahead for longer than the authority lasts": right.Add(lifetime + time.Hour), "behind": right.AddDate(-5, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t.TempDir())
			now := right
			o.Now = func() time.Time { return now }
			a := authority(t, o)
			trusted := a.PEM()
			now = wrong
			_, _ = handshake(t, a, trusted, "x.amazonaws.com") // whatever the client says to that
			now = right
			if _, err := handshake(t, a, trusted, "x.amazonaws.com"); err != nil {
				t.Errorf("once the clock is right: %v", err)
			}
			// A start in between makes another certificate of the same key, which
			// those verify who trust the first.
			now = wrong
			authority(t, o)
			now = right
			if _, err := handshake(t, authority(t, o), trusted, "x.amazonaws.com"); err != nil {
				t.Errorf("after a start at another time: %v", err)
			}
		})
	}
}

func TestTheMemoryForCertificatesIsBounded(t *testing.T) {
	a := authority(t, options(t.TempDir()))
	for i := range leavesKept + 50 {
		name := fmt.Sprintf("%012d.dkr.ecr.eu-west-1.amazonaws.com", i)
		if _, err := a.issued(name, []string{name}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := a.issued("kept", []string{"localhost"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n, m := a.leaves.order.Len(), len(a.leaves.byName); n != leavesKept || m != leavesKept {
		t.Errorf("%d in order, %d by name", n, m)
	}
	if _, ok := a.leaves.byName["kept"]; !ok {
		t.Error("the certificate in use was forgotten")
	}
}

func TestANameIsIssuedOnceHoweverManyAsk(t *testing.T) {
	a := authority(t, options(t.TempDir()))
	var wait sync.WaitGroup
	serials := make([]string, 16)
	for i := range serials {
		wait.Go(func() {
			c, err := a.issued("x.amazonaws.com", []string{"x.amazonaws.com"}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			serials[i] = c.Leaf.SerialNumber.String()
		})
	}
	wait.Wait()
	for _, s := range serials {
		if s != serials[0] {
			t.Error("two certificates were issued for one name")
		}
	}
}
