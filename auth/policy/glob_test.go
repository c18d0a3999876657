package policy

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestWildcardsMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a:b/c", true},
		{"?", "", false},
		{"?", "a", true},
		{"?", "é", true},
		{"??", "é", false},
		{"*?", "é", true},
		{"*??", "€", false},
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"abc", "ab", false},
		{"a*c", "ac", true},
		{"a*c", "abcbc", true},
		{"a*c", "acb", false},
		{"*ab", "aab", true},
		{"ab*ab", "ab", false},
		{"ab*ab", "abab", true},
		{"*ab*ab*", "aab", false},
		{"a*b?d*e", "axxbcdxxbydze", true},
		{"*a?", "aab", true},
		{"a?c*", "abcdef", true},
		{"?*?", "a", false},
		{"?*?", "ab", true},
		{"**", "", true},
		{"team-a/*", "team-a/x/y", true},
		{"team-a/*", "team-a", false},
	} {
		if got := match(wildcards(tt.pattern), tt.s); got != tt.want {
			t.Errorf("match(%q, %q) = %v", tt.pattern, tt.s, got)
		}
	}
}

// slowMatch is the definition of a match, by trying everything.
func slowMatch(pattern, s []rune) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	if pattern[0] == '*' {
		return slowMatch(pattern[1:], s) || len(s) > 0 && slowMatch(pattern, s[1:])
	}
	return len(s) > 0 && (pattern[0] == '?' || pattern[0] == s[0]) && slowMatch(pattern[1:], s[1:])
}

func TestMatchingAgreesWithItsDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func(alphabet []rune, most int) string {
		var b strings.Builder
		for range random.IntN(most + 1) {
			b.WriteRune(alphabet[random.IntN(len(alphabet))])
		}
		return b.String()
	}
	for range 200_000 {
		pattern, s := some([]rune("aab*?é€"), 8), some([]rune("aabé€"), 10)
		if got, want := match(wildcards(pattern), s), slowMatch([]rune(pattern), []rune(s)); got != want {
			t.Fatalf("match(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	}
}

func TestMatchingAWickedPatternTakesLittleTime(t *testing.T) {
	s := strings.Repeat("a", 2048)
	for _, pattern := range []string{
		strings.Repeat("*a", 1000) + "*b",
		strings.Repeat("a*", 1000) + "b",
		"*" + strings.Repeat("a", 1000) + "b*",
		strings.Repeat("*?", 1000) + "*b",
		"*" + strings.Repeat("a?", 500) + "b*",
	} {
		start := time.Now()
		if match(wildcards(pattern), s) {
			t.Errorf("%.20q… matched", pattern)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("%.20q… took %v", pattern, d)
		}
	}
}

func TestALiteralWildcardIsNone(t *testing.T) {
	t2, err := parseTemplate("a${*}${?}${$}*", dialect{variables: true, wildcards: true})
	if err != nil {
		t.Fatal(err)
	}
	if !match(t2.text, "a*?$x") || match(t2.text, "abc$x") {
		t.Errorf("compiled to %q", t2.text)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*??", "€")
	f.Add("", "\xff")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 12 || len(s) > 24 {
			return // the definition is exponential
		}
		got := match(wildcards(pattern), s)
		if !utf8.ValidString(pattern) || !utf8.ValidString(s) {
			return
		}
		if want := slowMatch([]rune(pattern), []rune(s)); got != want {
			t.Fatalf("match(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	})
}
