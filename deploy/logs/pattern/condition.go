package pattern

import (
	"regexp"
	"strconv"
	"strings"
)

// mostDepth is how deep parentheses may lie in each other.
const mostDepth = 50

// logic is a condition on a message of the form T.
type logic[T any] func(T) bool

// parseLogic reads conditions that && and || join and parentheses divide; each
// condition is read by single.
func parseLogic[T any](s *scanner, single func(*scanner) (logic[T], error)) (logic[T], error) {
	if s.depth++; s.depth > mostDepth {
		return nil, s.fail("the parentheses lie too deep in each other")
	}
	defer func() { s.depth-- }()
	return joined(s, "||", func(s *scanner) (logic[T], error) {
		return joined(s, "&&", func(s *scanner) (logic[T], error) {
			s.space()
			if !s.take("(") {
				return single(s)
			}
			inner, err := parseLogic(s, single)
			if err != nil {
				return nil, err
			}
			if s.space(); !s.take(")") {
				return nil, s.fail("a parenthesis is not closed")
			}
			return inner, nil
		})
	})
}

// joined reads one part or several that an operator joins.
func joined[T any](s *scanner, operator string, part func(*scanner) (logic[T], error)) (logic[T], error) {
	var parts []logic[T]
	for {
		p, err := part(s)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
		if s.space(); !s.take(operator) {
			break
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	decisive := operator == "||"
	return func(v T) bool {
		for _, p := range parts {
			if p(v) == decisive {
				return decisive
			}
		}
		return !decisive
	}, nil
}

// comparison is an operator with what stands on its right.
type comparison struct {
	operator string
	number   float64
	numeric  bool
	regex    *regexp.Regexp
	// text may have asterisks for any characters.
	text string
	// bare is text that was not in quotes.
	bare bool
}

// parseComparison reads an operator and a value that ends at one of the bytes given.
func parseComparison(s *scanner, stops string) (c comparison, err error) {
	for _, operator := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if s.take(operator) {
			c.operator = operator
			break
		}
	}
	if c.operator == "" {
		return c, s.fail("an operator is missing: one of = != < > <= >=")
	}
	s.space()
	begin := s.at
	switch s.peek() {
	case '%':
		c.regex, err = s.regex()
	case '"':
		c.text, err = s.quoted()
	default:
		c.text, c.bare = s.until(stops), true
		if c.text == "" {
			return c, s.fail("a value is missing")
		}
		c.number, err = strconv.ParseFloat(c.text, 64)
		c.numeric, err = err == nil && strings.IndexByte("+-.0123456789", c.text[0]) >= 0, nil
	}
	if err == nil && !c.numeric && c.operator != "=" && c.operator != "!=" {
		s.at = begin
		return c, s.fail("%s compares numbers", c.operator)
	}
	return c, err
}

// ofNumber reports whether a number, as it is written, compares so.
func (c comparison) ofNumber(v float64, written string) bool {
	if !c.numeric {
		return c.ofText(written)
	}
	switch c.operator {
	case "=":
		return v == c.number
	case "!=":
		return v != c.number
	case "<":
		return v < c.number
	case "<=":
		return v <= c.number
	case ">":
		return v > c.number
	default:
		return v >= c.number
	}
}

// ofText reports whether text compares so; only equality does.
func (c comparison) ofText(v string) bool {
	equal := false
	switch {
	case c.regex != nil:
		equal = c.regex.MatchString(v)
	case strings.Contains(c.text, "*"):
		equal = like(v, c.text)
	default:
		equal = v == c.text
	}
	return c.operator == "=" && equal || c.operator == "!=" && !equal
}

// like reports whether text has the form of a pattern with asterisks.
func like(text, pattern string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return true
}
