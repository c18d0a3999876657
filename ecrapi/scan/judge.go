package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"drydock/ecrapi/scan/findings"
	"drydock/ecrapi/scan/inventory"
	"drydock/ecrapi/scan/vulndb"
)

// Status is how a scan has ended, or that it has not.
type Status string

// The statuses. Unsupported is said of what no database knows anything about.
const (
	InProgress  Status = "IN_PROGRESS"
	Complete    Status = "COMPLETE"
	Failed      Status = "FAILED"
	Unsupported Status = "UNSUPPORTED_IMAGE"
)

// Completed is the description of a scan that has nothing to say beside its findings.
const Completed = "The scan was completed successfully."

const unsupported = "UnsupportedImageError: The operating system and/or package manager are not supported."

// verdict is what comes of comparing an inventory with the vulnerabilities known.
type verdict struct {
	status      Status
	description string
	version     vulndb.Version
	findings    []findings.Finding
}

// errMoved says that another import took the place of that which was compared with.
var errMoved = errors.New("the vulnerabilities were replaced while an image was compared with them")

// mostMoves is how often a comparison begins anew for that.
const mostMoves = 5

// judge compares an inventory with the vulnerabilities that are known. That nothing
// is found is said only where something could have been.
func (s *Scanner) judge(ctx context.Context, of inventory.Inventory) (verdict, error) {
	for range mostMoves {
		v, err := s.known.Version(ctx)
		if errors.Is(err, vulndb.ErrNone) {
			return verdict{status: Failed, description: sentence(err)}, nil
		}
		if err != nil {
			return verdict{}, err
		}
		made, err := s.compare(ctx, of, v)
		if err != nil {
			return verdict{}, err
		}
		// The records of an import are deleted once another one holds.
		now, err := s.known.Version(ctx)
		if err != nil {
			return verdict{}, err
		}
		if now.ID == v.ID {
			return made, nil
		}
	}
	return verdict{}, errMoved
}

func (s *Scanner) compare(ctx context.Context, of inventory.Inventory, v vulndb.Version) (verdict, error) {
	made := verdict{version: v, status: Complete, description: Completed}
	lacking, alien := uncovered(of, v)
	switch {
	case alien || !of.Supported():
		made.status, made.description = Unsupported, unsupported
		return made, nil
	case lacking.all || lacking.system != "":
		what := lacking.system
		if what == "" {
			what = strings.Join(lacking.others, ", ")
		}
		made.status = Failed
		made.description = fmt.Sprintf("The database of vulnerabilities that was imported has nothing on %s: import OSV's export of it, and the image is compared with that", what)
		return made, nil
	}
	found, err := findings.Of(ctx, s.known, v.ID, of)
	if errors.Is(err, findings.ErrTooMany) {
		made.status, made.description = Failed, sentence(err)
		return made, nil
	}
	if err != nil {
		return verdict{}, err
	}
	made.findings = found
	if len(lacking.others) > 0 {
		made.description += fmt.Sprintf(" Packages of %s were not compared: the database that was imported has nothing on them.", strings.Join(lacking.others, ", "))
	}
	if of.Unread > 0 {
		made.description += fmt.Sprintf(" %d files that seem to name packages could not be read.", of.Unread)
	}
	return made, nil
}

// gaps are what a database says nothing about: the packages of the operating system,
// or others, by ecosystem. all is set when it says nothing about any package.
type gaps struct {
	system string
	others []string
	all    bool
}

// uncovered finds out what of an inventory an import says nothing about, and whether
// it has packages of an operating system that OSV does not know (alien).
func uncovered(of inventory.Inventory, v vulndb.Version) (lacking gaps, alien bool) {
	lacking.all = true
	for _, p := range of.Packages {
		switch {
		case p.Ecosystem == "":
			alien = alien || p.Manager == inventory.ManagerOS
		case v.Ecosystems[p.Ecosystem] > 0:
			lacking.all = false
		case p.Manager == inventory.ManagerOS:
			lacking.system = p.Ecosystem
		case !slices.Contains(lacking.others, p.Ecosystem):
			lacking.others = append(lacking.others, p.Ecosystem)
		}
	}
	slices.Sort(lacking.others)
	return lacking, alien
}

// sentence is an error as one is shown it.
func sentence(err error) string {
	text := strings.ToValidUTF8(err.Error(), "?")
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "") + "…"
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
