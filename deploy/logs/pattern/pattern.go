// Package pattern is the filter patterns of CloudWatch Logs: which log events are
// meant, by terms, by the fields of JSON, or by fields that spaces divide.
//
//	ERROR "time out" -debug      all these terms, and not that one
//	?ERROR ?WARN                 any of these
//	%[Ee]rror [0-9]+%            a regular expression
//	{ $.status >= 500 && $.user.name = "a*" }
//	[ip, user, ..., status = 4*, bytes > 1000]
//
// Source: Amazon CloudWatch Logs User Guide, "Filter pattern syntax for metric
// filters, subscription filters, filter log events, and Live Tail".
package pattern

import (
	"fmt"
	"strings"
)

// mostRegexes is how many regular expressions a pattern may have.
const mostRegexes = 2

// SyntaxError says what is wrong with a pattern, and where.
type SyntaxError struct {
	// At counts bytes from the beginning of the pattern.
	At      int
	Message string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at position %d", e.Message, e.At) }

// Matcher decides whether a message is meant. It may be used by several goroutines.
type Matcher func(message string) bool

// Compile makes a matcher of a pattern; that of an empty pattern, which means
// everything, is nil. Errors: *SyntaxError.
func Compile(text string) (Matcher, error) {
	s := &scanner{text: text}
	s.space()
	var m Matcher
	var err error
	switch {
	case s.done():
		return nil, nil
	case s.peek() == '{':
		m, err = parseJSON(s)
	case s.peek() == '[':
		m, err = parseFields(s)
	default:
		return parseTerms(s)
	}
	if err != nil {
		return nil, err
	}
	if s.space(); !s.done() {
		return nil, s.fail("there is something behind the end of the pattern")
	}
	return m, nil
}

// scanner reads a pattern from left to right.
type scanner struct {
	text    string
	at      int
	regexes int
	depth   int
}

func (s *scanner) done() bool { return s.at >= len(s.text) }

// peek is the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.done() {
		return 0
	}
	return s.text[s.at]
}

func (s *scanner) space() {
	for !s.done() && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

// take goes on behind a word, if it is next.
func (s *scanner) take(word string) bool {
	if !strings.HasPrefix(s.text[s.at:], word) {
		return false
	}
	s.at += len(word)
	return true
}

// until takes the text up to one of the bytes given, or the end.
func (s *scanner) until(stops string) string {
	rest := s.text[s.at:]
	if i := strings.IndexAny(rest, stops); i >= 0 {
		rest = rest[:i]
	}
	s.at += len(rest)
	return rest
}

func (s *scanner) fail(format string, args ...any) error {
	return &SyntaxError{s.at, fmt.Sprintf(format, args...)}
}

// quoted takes text in double quotes, in which a backslash has the next character
// mean itself.
func (s *scanner) quoted() (string, error) {
	begin := s.at
	s.at++
	var b strings.Builder
	for ; !s.done(); s.at++ {
		switch c := s.text[s.at]; c {
		case '"':
			s.at++
			return b.String(), nil
		case '\\':
			if s.at+1 < len(s.text) && strings.IndexByte(`"\`, s.text[s.at+1]) >= 0 {
				s.at++
			}
			b.WriteByte(s.text[s.at])
		default:
			b.WriteByte(c)
		}
	}
	s.at = begin
	return "", s.fail("a quotation mark is not closed")
}
