// Package match decides whether a version has a vulnerability, and how severe that is,
// by what an OSV record says. It is pure: what is compared comes from package vulndb
// and package inventory.
//
// Source: https://ossf.github.io/osv-schema/
package match

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/osv-scalibr/semantic"
)

// Affected is which versions of a package have a vulnerability: those in one of the
// ranges, and those listed.
type Affected struct {
	Ranges   []Range  `json:"r,omitempty"`
	Versions []string `json:"v,omitempty"`
	// Severity is what those who made the record call it for this package, empty where
	// they do not.
	Severity string `json:"s,omitempty"`
}

// Range is a sequence of events, each of which changes whether the versions from it
// on have the vulnerability.
type Range []Event

// Event is one of a range.
type Event struct {
	Kind    EventKind
	Version string
}

// EventKind is what an event says.
type EventKind byte

// The kinds of events: from a version on, before a version, up to and with a version.
const (
	Introduced   EventKind = 'i'
	Fixed        EventKind = 'f'
	LastAffected EventKind = 'l'
)

// MarshalText makes "f1.2.3" of an event.
func (e Event) MarshalText() ([]byte, error) { return append([]byte{byte(e.Kind)}, e.Version...), nil }

// UnmarshalText reads what MarshalText has made.
func (e *Event) UnmarshalText(text []byte) error {
	if len(text) == 0 || !strings.ContainsRune("ifl", rune(text[0])) {
		return fmt.Errorf("%q is no event of a range", text)
	}
	e.Kind, e.Version = EventKind(text[0]), string(text[1:])
	return nil
}

// Read reads the JSON of several Affected.
func Read(document string) (all []Affected, err error) {
	if err := json.Unmarshal([]byte(document), &all); err != nil {
		return nil, fmt.Errorf("read affected versions: %w", err)
	}
	return all, nil
}

// Version is a version that is compared, in an ecosystem.
type Version struct {
	text, ecosystem string
	parsed          semantic.Version
}

// LongestVersion is the longest version that is compared: comparing takes time that
// grows faster than the length.
const LongestVersion = 256

// Parse reads a version. One that is none of the ecosystem's is affected only where
// it is listed.
func Parse(ecosystem, text string) Version {
	v := Version{text: text, ecosystem: ecosystem}
	if len(text) <= LongestVersion {
		if parsed, err := semantic.Parse(text, ecosystem); err == nil {
			v.parsed = parsed
		}
	}
	return v
}

// compare compares with another version of the ecosystem, and says whether they can
// be compared.
func (v Version) compare(with string) (int, bool) {
	if v.parsed == nil || len(with) > LongestVersion {
		return 0, false
	}
	c, err := v.parsed.CompareStr(with)
	return c, err == nil
}

// Has reports whether a version is affected, and which version is the first without
// the vulnerability behind it, empty where none is known.
func (a Affected) Has(v Version) (fixed string, has bool) {
	for _, r := range a.Ranges {
		if fixed, has := r.has(v); has {
			return fixed, true
		}
	}
	return "", slices.Contains(a.Versions, v.text)
}

// has goes by the schema's algorithm: events in the order of their versions.
func (r Range) has(v Version) (fixed string, has bool) {
	events, ok := r.sorted(v.ecosystem)
	if !ok {
		return "", false
	}
	for _, e := range events {
		c := 1 // "0" is before all versions
		if e.Version != "0" || e.Kind != Introduced {
			if c, ok = v.compare(e.Version); !ok {
				return "", false
			}
		}
		switch {
		case e.Kind == Introduced && c >= 0:
			has = true
		case e.Kind == Fixed && c >= 0, e.Kind == LastAffected && c > 0:
			has = false
		case has && e.Kind == Fixed:
			return e.Version, true
		}
	}
	return "", has
}

// sorted are the events in the order of their versions, as far as they can be
// compared.
func (r Range) sorted(ecosystem string) (Range, bool) {
	if len(r) <= 1 || len(r) == 2 && r[0].Kind == Introduced && r[0].Version == "0" {
		return r, true
	}
	type parsed struct {
		Event
		version Version
	}
	all := make([]parsed, len(r))
	for i, e := range r {
		if all[i] = (parsed{e, Parse(ecosystem, e.Version)}); all[i].version.parsed == nil && e.Version != "0" {
			return nil, false
		}
	}
	comparable := true
	slices.SortStableFunc(all, func(a, b parsed) int {
		switch {
		case a.Event == b.Event:
			return 0
		case a.Version == "0":
			return -1
		case b.Version == "0":
			return 1
		}
		c, ok := a.version.compare(b.Version)
		comparable = comparable && ok
		if c == 0 {
			// What is fixed and introduced at once is affected; what is last affected ends
			// behind what begins with it.
			order := map[EventKind]int{Fixed: 0, Introduced: 1, LastAffected: 2}
			c = order[a.Kind] - order[b.Kind]
		}
		return c
	})
	events := make(Range, len(all))
	for i, p := range all {
		events[i] = p.Event
	}
	return events, comparable
}
