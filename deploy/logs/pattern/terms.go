package pattern

import (
	"strings"
	"unicode/utf8"
)

// terms are those of a pattern for text without structure.
type terms struct {
	all, none, any []Matcher
}

// parseTerms reads terms up to the end.
func parseTerms(s *scanner) (Matcher, error) {
	var t terms
	for s.space(); !s.done(); s.space() {
		into := &t.all
		switch s.peek() {
		case '?':
			into = &t.any
			s.at++
		case '-':
			into = &t.none
			s.at++
		}
		m, err := parseTerm(s)
		if err != nil {
			return nil, err
		}
		*into = append(*into, m)
	}
	return t.match, nil
}

func parseTerm(s *scanner) (Matcher, error) {
	switch s.peek() {
	case '%':
		r, err := s.regex()
		if err != nil {
			return nil, err
		}
		return r.MatchString, nil
	case '"':
		text, err := s.quoted()
		if err != nil {
			return nil, err
		}
		return containing(text), nil
	}
	begin := s.at
	word := s.until(" \t\r\n\"")
	for i := range len(word) {
		c := word[i]
		if c < utf8.RuneSelf && !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_') {
			s.at = begin + i
			return nil, s.fail("Invalid character(s) in term '%s': put it into double quotes,", word)
		}
	}
	if word == "" {
		return nil, s.fail("a term is missing")
	}
	return containing(word), nil
}

func containing(text string) Matcher {
	return func(message string) bool { return strings.Contains(message, text) }
}

// match does not look at optional terms where there are others: so does CloudWatch.
func (t terms) match(message string) bool {
	for _, m := range t.none {
		if m(message) {
			return false
		}
	}
	for _, m := range t.all {
		if !m(message) {
			return false
		}
	}
	if len(t.all)+len(t.none) > 0 {
		return true
	}
	for _, m := range t.any {
		if m(message) {
			return true
		}
	}
	return false
}
