package query

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
)

// compile makes the pattern of =~ and !~. It has to match the whole value, as
// Java's matches does: g2 does not select g2.2xlarge, g2.* does.
//
// At AWS the pattern is Java's. What RE2 cannot do (looking around, referring
// back, possessive quantifiers) it refuses itself; what it would read otherwise
// than Java without a word, sets within sets, is refused here.
func (p *parser) compile(v token, at int) (*regexp.Regexp, *SyntaxError) {
	if i := nestedSet(v.text); i >= 0 {
		return nil, p.fail(at+i, "a regular expression without [ or && inside [ ]",
			"Java's sets within sets are not supported; escape the character if it is meant as itself")
	}
	// On its own first: a) | (b would be whole once it stood in a group.
	_, err := regexp.Compile(v.text)
	if err == nil {
		var re *regexp.Regexp
		if re, err = regexp.Compile(`\A(?:` + v.text + `)\z`); err == nil {
			return re, nil
		}
	}
	place, reason := at, err.Error()
	if e := (*syntax.Error)(nil); errors.As(err, &e) {
		if i := strings.Index(v.text, e.Expr); i > 0 {
			place += i
		}
		reason = e.Code.String() + " " + e.Expr
	}
	return nil, p.fail(place, "a regular expression that RE2 can run (no look-around, back references or possessive quantifiers)", reason)
}

// nestedSet finds a [ or a && inside a bracketed set; -1 when there is none. To
// RE2 both are plain characters there, to Java they are union and intersection.
func nestedSet(pattern string) int {
	inside := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			if !inside && strings.HasPrefix(pattern[i:], `\Q`) {
				end := strings.Index(pattern[i:], `\E`)
				if end < 0 {
					return -1
				}
				i += end
			}
			i++
		case !inside && c == '[':
			inside = true
			// A ] that comes first, or behind ^, stands for itself.
			if strings.HasPrefix(pattern[i+1:], "^") {
				i++
			}
			if strings.HasPrefix(pattern[i+1:], "]") {
				i++
			}
		case inside && c == ']':
			inside = false
		case inside && (c == '[' || strings.HasPrefix(pattern[i:], "&&")):
			return i
		}
	}
	return -1
}
