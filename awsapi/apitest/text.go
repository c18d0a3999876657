package apitest

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// matching finds a text that a pattern takes whole, of a length within bounds, in
// runes; most < 0 is none. It reports whether it found one.
func matching(pattern string, least, most int) (string, bool) {
	re, err := syntax.Parse("(?:"+pattern+")", syntax.Perl)
	if err != nil {
		return "", false
	}
	whole, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return "", false
	}
	for way := range 4 {
		for more := range max(least, 8) + 1 {
			var b strings.Builder
			written(&b, re, more, way)
			s := b.String()
			n := utf8.RuneCountInString(s)
			if n >= least && (most < 0 || n <= most) && whole.MatchString(s) {
				return s, true
			}
		}
	}
	return "", false
}

// written writes what an expression takes: what repeats does so more times than it has
// to, and of what is given to choose the way's is taken.
func written(b *strings.Builder, re *syntax.Regexp, more, way int) {
	times := func(least, most int) {
		n := least + more
		if most >= 0 {
			n = min(n, most)
		}
		for range n {
			written(b, re.Sub[0], more, way)
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(oneOf(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('a')
	case syntax.OpCapture:
		written(b, re.Sub[0], more, way)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			written(b, sub, more, way)
		}
	case syntax.OpAlternate:
		written(b, re.Sub[way%len(re.Sub)], more, way)
	case syntax.OpStar:
		times(0, -1)
	case syntax.OpPlus:
		times(1, -1)
	case syntax.OpQuest:
		times(0, 1)
	case syntax.OpRepeat:
		times(re.Min, re.Max)
	}
}

// oneOf is a rune of a class, given as pairs of the first and the last of a range: a
// letter or a digit where there is one.
func oneOf(class []rune) rune {
	for _, r := range "a0A" {
		for i := 0; i < len(class); i += 2 {
			if class[i] <= r && r <= class[i+1] {
				return r
			}
		}
	}
	for i := 0; i < len(class); i += 2 {
		for r := class[i]; r <= class[i+1] && r < class[i]+128; r++ {
			if unicode.IsPrint(r) {
				return r
			}
		}
	}
	return class[0]
}

// unlike finds a text of a length within bounds that a pattern does not take.
func unlike(pattern string, least, most int) (string, bool) {
	whole, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return "", false
	}
	for _, unit := range []string{"\u2603", " ", "!", ":", "a", "-", "*"} {
		for _, n := range []int{least, least + 1, most} {
			if n < 1 || most >= 0 && n > most || n > 4096 {
				continue
			}
			if s := strings.Repeat(unit, n); !whole.MatchString(s) {
				return s, true
			}
		}
	}
	return "", false
}
