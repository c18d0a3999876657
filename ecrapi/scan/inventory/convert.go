package inventory

import (
	"strconv"
	"strings"

	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/requirements"
	apkmeta "github.com/google/osv-scalibr/extractor/filesystem/os/apk/metadata"
	dpkgmeta "github.com/google/osv-scalibr/extractor/filesystem/os/dpkg/metadata"
	rpmmeta "github.com/google/osv-scalibr/extractor/filesystem/os/rpm/metadata"
	"github.com/google/osv-scalibr/purl"
)

// converted is a package as it is looked up: OSV knows packages of Debian, Ubuntu and
// Alpine by the source that they are built from, and those of the others by their own
// names.
func converted(p *extractor.Package, path string, release osRelease) Package {
	made := Package{Name: p.Name, Version: p.Version, Path: path}
	switch m := p.Metadata.(type) {
	case *dpkgmeta.Metadata:
		made.Ecosystem, made.Manager, made.Arch = release.ecosystem(), ManagerOS, m.Architecture
		made.Source, made.SourceVersion = m.SourceName, m.SourceVersion
	case *apkmeta.Metadata:
		made.Ecosystem, made.Manager, made.Arch = release.ecosystem(), ManagerOS, m.Architecture
		made.Source = m.OriginName
	case *rpmmeta.Metadata:
		made.Ecosystem, made.Manager, made.Arch = release.ecosystem(), ManagerOS, m.Architecture
		made.Source = sourceOfRPM(m.SourceRPM)
		if m.Epoch > 0 {
			made.Version = strconv.Itoa(m.Epoch) + ":" + made.Version
		}
	case *requirements.Metadata:
		// Of a requirement that is no single version nobody knows what was installed.
		if m.VersionComparator != "==" && m.VersionComparator != "===" {
			return Package{}
		}
		made.Ecosystem, made.Manager = "PyPI", managerPython
	default:
		switch p.PURLType {
		case purl.TypeNPM:
			made.Ecosystem, made.Manager = "npm", managerNode
		case purl.TypePyPi:
			made.Ecosystem, made.Manager = "PyPI", managerPython
		case purl.TypeGem:
			made.Ecosystem, made.Manager = "RubyGems", managerGem
		}
	}
	if made.Source == made.Name {
		made.Source = ""
	}
	if made.SourceVersion == made.Version {
		made.SourceVersion = ""
	}
	return made
}

// sourceOfRPM is the name in that of a source package: "bash" of
// "bash-5.1.8-9.el9.src.rpm".
func sourceOfRPM(file string) string {
	name := strings.TrimSuffix(file, ".src.rpm")
	for range 2 {
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i]
		}
	}
	return name
}
