// Command gen writes the tables of package constraints: of each service, the
// bare facts that its model states and the SDK's structs do not. The models are
// those that come with the aws command line:
//
//	go run ./awsapi/constraints/gen --botocore DIR
//
// where DIR is what python3 -c 'import botocore; print(botocore.__path__[0])'
// prints. A pattern that Go's regexp cannot read stops it until services.go says
// what to do about it.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	botocore := flag.String("botocore", "", "folder of the botocore package")
	out := flag.String("out", "awsapi/constraints/tables", "folder to write to")
	flag.Parse()
	if err := run(*botocore, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(botocore, out string) error {
	if botocore == "" {
		return fmt.Errorf("--botocore is missing: the folder that python3 -c 'import botocore; print(botocore.__path__[0])' prints")
	}
	for _, s := range services {
		m, err := readModel(botocore, s.dir)
		if err != nil {
			return fmt.Errorf("%s: %w", s.dir, err)
		}
		t, notes, err := tabulate(s, m)
		if err != nil {
			return fmt.Errorf("%s: %w", s.dir, err)
		}
		for _, n := range notes {
			fmt.Printf("%s: %s\n", s.dir, n)
		}
		b, err := t.lines()
		if err != nil {
			return fmt.Errorf("%s: %w", s.dir, err)
		}
		if err := os.WriteFile(filepath.Join(out, s.dir+".json"), b, 0o644); err != nil {
			return err
		}
		fmt.Printf("%s: %d operations, %d shapes, %d bytes\n", s.dir, len(t.Operations), len(t.Shapes), len(b))
	}
	return nil
}
