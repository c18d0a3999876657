package pattern

import (
	"regexp"
	"strings"
)

// allowed is what a regular expression may have beside letters and digits.
const allowed = `_#=@/;,:- ^$?[]{}|\*+.`

// regex takes a regular expression between percent signs.
func (s *scanner) regex() (*regexp.Regexp, error) {
	begin := s.at
	s.at++
	for ; !s.done() && s.peek() != '%'; s.at++ {
		switch c := s.peek(); {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '\\' && s.at+1 < len(s.text):
			s.at++ // what follows means itself, or a class
		case strings.IndexByte(allowed, c) < 0:
			return nil, s.fail("a regular expression cannot have %q", s.text[s.at:s.at+1])
		}
	}
	if s.done() {
		s.at = begin
		return nil, s.fail("a percent sign is not closed")
	}
	text := s.text[begin+1 : s.at]
	s.at++
	if s.regexes++; s.regexes > mostRegexes {
		return nil, s.fail("a pattern has at most %d regular expressions", mostRegexes)
	}
	r, err := regexp.Compile(text)
	if err != nil || text == "" {
		s.at = begin
		return nil, s.fail("the regular expression cannot be understood")
	}
	return r, nil
}
