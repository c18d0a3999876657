package policy

import "strings"

// token is a character of a pattern: a wildcard, or itself. fromValue marks
// those that a variable's value put there.
type token struct {
	r         rune
	wild      bool
	fromValue bool
}

func (c *naiveCase) tokens(s string, variables, wildcards bool) ([]token, bool) {
	var out []token
	for s != "" {
		if variables && strings.HasPrefix(s, "${") {
			end := strings.IndexByte(s, '}')
			inner := s[2:end]
			s = s[end+1:]
			value, ok := inner, len(inner) == 1
			if !ok {
				name, fallback, _ := strings.Cut(inner, ", ")
				for k, v := range c.keys {
					if strings.EqualFold(k, name) && len(v) == 1 && v[0] != "" {
						value, ok = v[0], true
					}
				}
				if !ok && fallback != "" {
					value, ok = strings.Trim(fallback, "'"), true
				}
			}
			if !ok {
				return nil, false
			}
			for _, r := range value {
				out = append(out, token{r: r, fromValue: true})
			}
			continue
		}
		r := []rune(s)[0]
		out = append(out, token{r: r, wild: wildcards && (r == '*' || r == '?')})
		s = s[len(string(r)):]
	}
	return out, true
}

// arnLike compares at most six components one by one; a pattern of fewer is
// compared as a whole.
func (c *naiveCase) arnLike(pattern, got string, variables bool) bool {
	ts, ok := c.tokens(pattern, variables, true)
	if !ok {
		return false
	}
	parts := [][]token{nil}
	for _, t := range ts {
		if t.r == ':' && !t.fromValue && len(parts) < 6 {
			parts = append(parts, nil)
			continue
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], t)
	}
	values := strings.SplitN(got, ":", 6)
	if len(parts) < 6 {
		return globTokens(ts, []rune(got))
	}
	if len(values) < 6 {
		return false
	}
	for i := range parts {
		if !globTokens(parts[i], []rune(values[i])) {
			return false
		}
	}
	return true
}

func text(ts []token) string {
	var b strings.Builder
	for _, t := range ts {
		b.WriteRune(t.r)
	}
	return b.String()
}

func glob(pattern, s []rune) bool {
	var ts []token
	for _, r := range pattern {
		ts = append(ts, token{r: r, wild: r == '*' || r == '?'})
	}
	return globTokens(ts, s)
}

func globTokens(p []token, s []rune) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0].wild && p[0].r == '*':
		return globTokens(p[1:], s) || len(s) > 0 && globTokens(p, s[1:])
	case len(s) == 0:
		return false
	}
	return (p[0].wild || p[0].r == s[0]) && globTokens(p[1:], s[1:])
}
