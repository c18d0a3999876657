package inventory

import (
	"bufio"
	"io"
	"os"
	"strings"
)

// Where an image says which operating system it is, os-release(5).
const (
	etcRelease = "etc/os-release"
	usrRelease = "usr/lib/os-release"
)

// osRelease is an operating system.
type osRelease struct{ id, version string }

func (r osRelease) String() string { return strings.TrimSpace(r.id + " " + r.version) }

// longestRelease is as much of a file as is read.
const longestRelease = 64 << 10

// release reads which operating system the image is.
func (t *tree) release() osRelease {
	for _, name := range []string{etcRelease, usrRelease} {
		f := t.file(name)
		if f == nil {
			continue
		}
		content, err := os.Open(f.at)
		if err != nil {
			continue
		}
		r := readRelease(io.LimitReader(content, longestRelease))
		_ = content.Close()
		if r.id != "" {
			return r
		}
	}
	return osRelease{}
}

func readRelease(r io.Reader) (found osRelease) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		key, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		value = strings.Trim(value, `"'`)
		if len(value) > longestVersion {
			continue
		}
		switch key {
		case "ID":
			found.id = strings.ToLower(value)
		case "VERSION_ID":
			found.version = value
		}
	}
	return found
}

// ecosystem is OSV's name for the packages of an operating system, empty where it has
// none.
//
// Source: https://ossf.github.io/osv-schema/#defined-ecosystems
func (r osRelease) ecosystem() string {
	major, _, _ := strings.Cut(r.version, ".")
	versioned := func(name, version string) string {
		if version == "" {
			return name
		}
		return name + ":" + version
	}
	switch r.id {
	case "debian":
		return versioned("Debian", major)
	case "ubuntu":
		return versioned("Ubuntu", r.version)
	case "alpine":
		parts := strings.SplitN(r.version, ".", 3)
		if len(parts) < 2 {
			return "Alpine"
		}
		return "Alpine:v" + parts[0] + "." + parts[1]
	case "wolfi":
		return "Wolfi"
	case "chainguard":
		return "Chainguard"
	case "minimos":
		return "MinimOS"
	case "almalinux":
		return versioned("AlmaLinux", major)
	case "rocky":
		return versioned("Rocky Linux", major)
	case "rhel":
		return versioned("Red Hat", major)
	case "mageia":
		return versioned("Mageia", r.version)
	case "opensuse-leap":
		return "openSUSE:Leap " + r.version
	case "opensuse-tumbleweed":
		return "openSUSE:Tumbleweed"
	}
	return ""
}
