package pattern

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// everyElement is the index of a selector that means each element of an array.
const everyElement = -1

// step is one of the way to a value: a member's name, or an index.
type step struct {
	name  string
	index int
	array bool
}

// parseJSON reads { … }.
func parseJSON(s *scanner) (Matcher, error) {
	s.at++
	condition, err := parseLogic(s, parseProperty)
	if err != nil {
		return nil, err
	}
	if s.space(); !s.take("}") {
		return nil, s.fail("a brace, && or || is missing")
	}
	return func(message string) bool {
		if i := strings.IndexAny(message, "{["); i < 0 || strings.TrimSpace(message[:i]) != "" {
			return false
		}
		d := json.NewDecoder(strings.NewReader(message))
		d.UseNumber()
		var v any
		if d.Decode(&v) != nil {
			return false
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return false
		}
		return condition(v)
	}, nil
}

// parseProperty reads a condition on one property.
func parseProperty(s *scanner) (logic[any], error) {
	path, err := parseSelector(s)
	if err != nil {
		return nil, err
	}
	s.space()
	if words, ok := map[byte]string{'I': "IS", 'i': "IS", 'N': "NOT", 'n': "NOT", 'E': "EXISTS", 'e': "EXISTS"}[s.peek()]; ok {
		return parseState(s, words, path)
	}
	c, err := parseComparison(s, " \t\r\n)}&|")
	if err != nil {
		return nil, err
	}
	return func(v any) bool { return walk(v, path, c.ofValue) }, nil
}

// parseState reads IS NULL, IS TRUE, IS FALSE, NOT EXISTS or EXISTS.
func parseState(s *scanner, first string, path []step) (logic[any], error) {
	word := func() string {
		s.space()
		return strings.ToUpper(s.until(" \t\r\n)}&|"))
	}
	begin := s.at
	said := word()
	if first != "EXISTS" {
		said += " " + word()
	}
	exists := func(any) bool { return true }
	switch said {
	case "EXISTS":
		return func(v any) bool { return walk(v, path, exists) }, nil
	case "NOT EXISTS":
		return func(v any) bool { return !walk(v, path, exists) }, nil
	case "IS NULL":
		return func(v any) bool { return walk(v, path, func(v any) bool { return v == nil }) }, nil
	case "IS TRUE", "IS FALSE":
		return func(v any) bool { return walk(v, path, func(v any) bool { return v == (said == "IS TRUE") }) }, nil
	}
	s.at = begin
	return nil, s.fail("IS NULL, IS TRUE, IS FALSE, EXISTS or NOT EXISTS was expected")
}

// parseSelector reads $.a.b[0]['c'].
func parseSelector(s *scanner) (path []step, err error) {
	s.space()
	if !s.take("$") {
		return nil, s.fail("a property selector is missing: it begins with $")
	}
	for {
		switch {
		case s.take("."):
			name := s.until(" \t\r\n.[]()=!<>&|{}\"'")
			if name == "" {
				return nil, s.fail("the name of a property is missing")
			}
			path = append(path, step{name: name})
		case s.take("["):
			next, err := parseIndex(s)
			if err != nil {
				return nil, err
			}
			path = append(path, next)
		case len(path) == 0:
			return nil, s.fail("the name of a property is missing")
		default:
			return path, nil
		}
	}
}

func parseIndex(s *scanner) (step, error) {
	if quote := s.peek(); quote == '\'' || quote == '"' {
		s.at++
		name := s.until(string(quote))
		if !s.take(string(quote) + "]") {
			return step{}, s.fail("the name of a property is not closed")
		}
		return step{name: name}, nil
	}
	text := strings.TrimSpace(s.until("]"))
	if !s.take("]") {
		return step{}, s.fail("an index is not closed")
	}
	if text == "*" {
		return step{index: everyElement, array: true}, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return step{}, s.fail("%q is not an index", text)
	}
	return step{index: int(n), array: true}, nil
}

// walk goes the way to a value, or to several, and reports whether one is as wanted.
// One that does not exist is not.
func walk(v any, path []step, wanted func(any) bool) bool {
	for i, p := range path {
		if !p.array {
			object, ok := v.(map[string]any)
			if !ok {
				return false
			}
			if v, ok = object[p.name]; !ok {
				return false
			}
			continue
		}
		list, ok := v.([]any)
		if !ok {
			return false
		}
		if p.index == everyElement {
			for _, e := range list {
				if walk(e, path[i+1:], wanted) {
					return true
				}
			}
			return false
		}
		if p.index >= len(list) {
			return false
		}
		v = list[p.index]
	}
	return wanted(v)
}

// ofValue reports whether a value of JSON compares so.
func (c comparison) ofValue(v any) bool {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Float64()
		if c.numeric {
			return err == nil && c.ofNumber(n, v.String())
		}
		return (c.bare || c.regex != nil) && c.ofText(v.String())
	case string:
		return c.ofText(v)
	case bool:
		return c.bare && c.ofText(strconv.FormatBool(v))
	}
	return false
}
