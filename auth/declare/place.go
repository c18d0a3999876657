package declare

import (
	"errors"
	"fmt"
	"strings"

	"drydock/auth/policy"
)

// place is where something is declared.
type place struct {
	file string
	line int
	// entity is what it belongs to, e.g. "user ci"; empty at the top.
	entity string
}

// errorf makes an error that names the place.
func (p place) errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if p.entity == "" {
		return fmt.Errorf("%s, line %d: %w", p.file, p.line, err)
	}
	return fmt.Errorf("%s, line %d: %s: %w", p.file, p.line, p.entity, err)
}

// on is the place of a part of the entity.
func (p place) on(line int) place {
	p.line = line
	return p
}

// refusal is what is wrong with a policy document, in AWS's words and in ours.
func refusal(err error) string {
	var wrong *policy.SyntaxError
	if errors.As(err, &wrong) && wrong.Detail != "" {
		return wrong.Message + " (" + wrong.Detail + ")"
	}
	return err.Error()
}

// seen finds what is declared twice.
type seen struct {
	places map[string]place
	err    error
}

func (s *seen) add(p place, parts ...string) {
	if s.places == nil {
		s.places = map[string]place{}
	}
	key := strings.Join(parts, " ")
	if before, twice := s.places[key]; twice && s.err == nil {
		s.err = p.errorf("it is declared twice, first on line %d", before.line)
	}
	s.places[key] = p
}

func (s *seen) record(r record) { s.add(r.place, string(r.kind), r.account, fold(r.name)) }

func (s *seen) keys(list []accessKey) {
	for _, k := range list {
		s.add(k.place, "access key", k.id)
	}
}

// fold makes one of the names that IAM does not distinguish by case.
func fold(name string) string { return strings.ToLower(name) }
