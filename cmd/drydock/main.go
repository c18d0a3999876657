// Command drydock is a private Amazon ECR: a container registry that docker and
// the aws CLI already know how to use. This package is the command line, one file
// a command, and the assembly of the server; everything else is below it.
package main

import (
	"io"
	"os"
	"runtime/debug"
)

// version is set by the linker, see the Makefile.
var version string

func main() {
	p := program{environ: os.Environ(), out: os.Stdout, err: os.Stderr, version: versionOf(version)}
	os.Exit(p.run(os.Args[1:]))
}

// program is the world as the commands see it.
type program struct {
	environ  []string
	out, err io.Writer
	version  string
}

// versionOf is what the linker was told, else what the go command knows.
func versionOf(linked string) string {
	if linked != "" {
		return linked
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func (p program) getenv(name string) string {
	for _, kv := range p.environ {
		if len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name {
			return kv[len(name)+1:]
		}
	}
	return ""
}
