// Package constraints knows of each AWS service what its model states and the
// SDK's structs do not: which parameters are required, how long they may be, what
// they must match, which operations and errors there are and how they are
// spelled. The tables are made by the command in gen.
package constraints

import (
	"embed"
	"fmt"
)

//go:embed tables/*.json
var tables embed.FS

// Model is a service as its table describes it. It is read-only and may be
// shared.
type Model struct {
	*Facts
}

// Load reads the table of a service, by the name that the aws command line has
// for it. Errors: there is no such table.
func Load(service string) (*Model, error) {
	b, err := tables.ReadFile("tables/" + service + ".json")
	if err != nil {
		return nil, fmt.Errorf("no constraint table for service %q", service)
	}
	f, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("constraint table of %s: %w", service, err)
	}
	return &Model{f}, nil
}
