// Package scantest makes layers of images and OSV exports for tests. Nothing of it is
// linked into the server.
package scantest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
)

// Release is the os-release of Debian 12.
const Release = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"

// Dpkg is a status file of dpkg: libssl3 of the source openssl, and bash.
const Dpkg = `Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl
Version: 3.0.11-1~deb12u1
Description: Secure Sockets Layer toolkit

Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b2

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
`

// OpenSSL is a record of OSV that Dpkg's libssl3 has, with its CVE as an alias.
const OpenSSL = `{
	"id": "DSA-5532-1", "modified": "2024-01-02T03:04:05Z", "published": "2023-10-24T00:00:00Z",
	"aliases": ["CVE-2023-5363"], "summary": "openssl - security update", "details": "Keys of the wrong length.",
	"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
	"references": [{"type": "ADVISORY", "url": "https://www.debian.org/security/2023/dsa-5532"}],
	"affected": [{"package": {"ecosystem": "Debian:12", "name": "openssl"},
		"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0.11-1~deb12u2"}]}]}]
}`

// Bash is one that Dpkg's bash has, of which there is no fix.
const Bash = `{
	"id": "CVE-2024-0001", "modified": "2024-03-01T00:00:00Z", "published": "2024-03-01T00:00:00Z",
	"details": "Something of bash.",
	"affected": [{"package": {"ecosystem": "Debian:12", "name": "bash"},
		"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "5.2"}]}], "ecosystem_specific": {"urgency": "low"}}]
}`

// File is a file of a layer. One without Header is a regular one with the mode 0644.
type File struct {
	Name, Content string
	Header        *tar.Header
}

// Program is a File that may be run.
func Program(name, content string) File {
	return File{name, content, &tar.Header{Typeflag: tar.TypeReg, Mode: 0o755}}
}

// Debian are the files of a Debian 12 with the packages of Dpkg.
func Debian() []File {
	return []File{{Name: "etc/os-release", Content: Release}, {Name: "var/lib/dpkg/status", Content: Dpkg}}
}

// Tar makes a layer that is not compressed.
func Tar(t testing.TB, files ...File) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := tar.Header{Typeflag: tar.TypeReg, Mode: 0o644}
		if f.Header != nil {
			h = *f.Header
		}
		h.Name = f.Name
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(f.Content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.Content)); err != nil && h.Typeflag == tar.TypeReg {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Layer makes a layer.
func Layer(t testing.TB, files ...File) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(Tar(t, files...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Zip makes a zip file of files, by their names.
func Zip(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Exports makes a folder with an export of records, by their file names without .json.
func Exports(t testing.TB, records map[string]string) string {
	t.Helper()
	files := map[string]string{}
	for name, r := range records {
		files[name+".json"] = r
	}
	folder := filepath.Join(t.TempDir(), "Debian")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "all.zip"), Zip(t, files), 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(folder)
}
