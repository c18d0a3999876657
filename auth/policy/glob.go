package policy

import (
	"strings"
	"unicode/utf8"
)

// Wildcards inside a compiled pattern are bytes that occur in no UTF-8 text, so
// that a literal asterisk (${*}, or one that came out of a policy variable) can
// stand beside a wildcard without any escaping.
const (
	anyRun = '\xff' // "*": any characters, or none
	anyOne = '\xfe' // "?": exactly one character
)

// everything is the compiled pattern "*".
const everything = "\xff"

// wildcards puts the wildcard bytes for the asterisks and question marks of s.
func wildcards(s string) string {
	if !strings.ContainsAny(s, "*?") {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		switch c {
		case '*':
			b[i] = anyRun
		case '?':
			b[i] = anyOne
		}
	}
	return string(b)
}

// spelled is the reverse of wildcards, for people to read.
func spelled(pattern string) string {
	b := []byte(pattern)
	for i, c := range b {
		switch c {
		case anyRun:
			b[i] = '*'
		case anyOne:
			b[i] = '?'
		}
	}
	return string(b)
}

// hasWildcardBytes reports whether s, which came from outside, holds bytes that
// would act as wildcards in a pattern.
func hasWildcardBytes(s string) bool {
	return strings.IndexByte(s, anyRun) >= 0 || strings.IndexByte(s, anyOne) >= 0
}

// match reports whether the whole of s fits the compiled pattern. A "*" fits any
// run of characters, colons and slashes included.
//
// The pieces between the "*" are looked for from left to right and each is taken
// where it first fits, which is right because a later place leaves less for the
// rest. Nothing is ever tried again, so the time is linear in s for every piece
// without "?", and at worst the product of the lengths for those with one.
func match(pattern, s string) bool {
	// Most patterns part from s, or end, within their first literal bytes.
	i := 0
	for ; i < len(pattern) && pattern[i] < anyOne; i++ {
		if i >= len(s) || s[i] != pattern[i] {
			return false
		}
	}
	pattern, s = pattern[i:], s[i:]
	if pattern == everything {
		return true
	}

	star := strings.IndexByte(pattern, anyRun)
	if star < 0 {
		n, ok := fitsAt(pattern, s)
		return ok && n == len(s)
	}
	n, ok := fitsAt(pattern[:star], s)
	if !ok {
		return false
	}
	s, pattern = s[n:], pattern[star+1:]
	for {
		star = strings.IndexByte(pattern, anyRun)
		if star < 0 {
			break
		}
		if n, ok = fitsWithin(pattern[:star], s); !ok {
			return false
		}
		s, pattern = s[n:], pattern[star+1:]
	}
	return fitsEnd(pattern, s)
}

// fitsAt fits a piece without "*" to the beginning of s and returns how many
// bytes of s it took.
func fitsAt(piece, s string) (int, bool) {
	taken := 0
	for {
		one := strings.IndexByte(piece, anyOne)
		if one < 0 {
			if !strings.HasPrefix(s[taken:], piece) {
				return 0, false
			}
			return taken + len(piece), true
		}
		if !strings.HasPrefix(s[taken:], piece[:one]) {
			return 0, false
		}
		taken += one
		_, width := utf8.DecodeRuneInString(s[taken:])
		if width == 0 {
			return 0, false
		}
		taken += width
		piece = piece[one+1:]
	}
}

// fitsWithin fits a piece without "*" to the first place in s where it fits, and
// returns where that place ends.
func fitsWithin(piece, s string) (int, bool) {
	if strings.IndexByte(piece, anyOne) < 0 {
		at := strings.Index(s, piece)
		return at + len(piece), at >= 0
	}
	for at := 0; at <= len(s); {
		if n, ok := fitsAt(piece, s[at:]); ok {
			return at + n, true
		}
		_, width := utf8.DecodeRuneInString(s[at:])
		at += max(width, 1)
	}
	return 0, false
}

// fitsEnd fits a piece without "*" to the end of s.
func fitsEnd(piece, s string) bool {
	for {
		one := strings.LastIndexByte(piece, anyOne)
		if one < 0 {
			return strings.HasSuffix(s, piece)
		}
		if !strings.HasSuffix(s, piece[one+1:]) {
			return false
		}
		s = s[:len(s)-(len(piece)-one-1)]
		_, width := utf8.DecodeLastRuneInString(s)
		if width == 0 {
			return false
		}
		s, piece = s[:len(s)-width], piece[:one]
	}
}
