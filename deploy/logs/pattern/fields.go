package pattern

import (
	"strconv"
	"strings"
)

// field is one of a pattern whose fields spaces divide.
type field struct {
	// rest stands for any number of fields.
	rest bool
	// wanted is nil where any text is.
	wanted logic[string]
}

// parseFields reads [ … ].
func parseFields(s *scanner) (Matcher, error) {
	s.at++
	var fields []field
	rest := -1
	for {
		s.space()
		if s.take("...") {
			if rest >= 0 {
				return nil, s.fail("a pattern has one ... at most")
			}
			rest = len(fields)
			fields = append(fields, field{rest: true})
		} else {
			wanted, err := parseLogic(s, parseField)
			if err != nil {
				return nil, err
			}
			fields = append(fields, field{wanted: wanted})
		}
		s.space()
		if s.take(",") {
			continue
		}
		if s.take("]") {
			break
		}
		return nil, s.fail("a comma or a bracket is missing")
	}
	return func(message string) bool { return matchFields(fields, rest, split(message)) }, nil
}

// parseField reads a name, or a condition on it. What the name is makes no
// difference: it is the place that counts.
func parseField(s *scanner) (logic[string], error) {
	s.space()
	s.until(" \t\r\n,]()=!<>&|")
	s.space()
	if strings.IndexByte("=!<>", s.peek()) < 0 || s.done() {
		return func(string) bool { return true }, nil
	}
	c, err := parseComparison(s, " \t\r\n,])&|")
	if err != nil {
		return nil, err
	}
	return func(v string) bool {
		if c.numeric {
			if n, err := strconv.ParseFloat(v, 64); err == nil {
				return c.ofNumber(n, v)
			}
			return c.operator == "!="
		}
		return c.ofText(v)
	}, nil
}

func matchFields(fields []field, rest int, values []string) bool {
	if rest < 0 && len(values) != len(fields) || len(values) < len(fields)-1 {
		return false
	}
	for i, f := range fields {
		switch {
		case f.rest:
		case rest >= 0 && i > rest:
			if !f.wanted(values[len(values)-len(fields)+i]) {
				return false
			}
		case !f.wanted(values[i]):
			return false
		}
	}
	return true
}

// split divides a message by spaces; what is in quotation marks or in brackets is one
// field.
func split(message string) (values []string) {
	for {
		message = strings.TrimLeft(message, " \t\r\n")
		if message == "" {
			return values
		}
		if closing := map[byte]string{'"': `"`, '[': "]"}[message[0]]; closing != "" {
			if i := strings.Index(message[1:], closing); i >= 0 {
				values, message = append(values, message[1:i+1]), message[i+2:]
				continue
			}
		}
		i := strings.IndexAny(message, " \t\r\n")
		if i < 0 {
			return append(values, message)
		}
		values, message = append(values, message[:i]), message[i:]
	}
}
