package query

import (
	"strings"
	"unicode/utf8"
)

// lexer cuts an expression into tokens. What a token is depends on where it
// stands: t2.* is a value after =~ and nothing at all before it, so the parser
// asks for the kind that its place calls for.
type lexer struct {
	text string
	at   int
}

// token is a piece of the expression and where it begins, in bytes.
type token struct {
	text string
	at   int
	// quoted: it stood in quotes, which are not part of text.
	quoted bool
}

// blank reports white space. It is ASCII's alone: any other is no part of what a
// cluster may hold, and is pointed at as such.
func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (l *lexer) skipBlanks() {
	for l.at < len(l.text) && blank(l.text[l.at]) {
		l.at++
	}
}

// next is the byte at the reader's place; 0 at the end.
func (l *lexer) next() byte {
	if l.at == len(l.text) {
		return 0
	}
	return l.text[l.at]
}

// run takes the longest piece for whose bytes the condition holds.
func (l *lexer) run(while func(c byte) bool) token {
	start := l.at
	for l.at < len(l.text) && while(l.text[l.at]) {
		l.at++
	}
	return token{text: l.text[start:l.at], at: start}
}

// subject takes what stands where a subject has to: up to white space or a
// character that only operators, lists, values and parentheses begin with.
func (l *lexer) subject() token {
	return l.run(func(c byte) bool { return !blank(c) && strings.IndexByte(`=!<>~&|()[],'"`, c) < 0 })
}

// operator takes a sign, a word, or ! with a word at once behind it.
func (l *lexer) operator() token {
	start := l.at
	l.run(func(c byte) bool { return strings.IndexByte("=!<>~", c) >= 0 })
	if sign := l.text[start:l.at]; sign == "" || sign == "!" {
		l.run(func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' })
	} else if _, ok := operatorOf(sign); !ok && len(sign) > 1 {
		// ==~x and the like: what follows a whole operator is the argument's.
		for n := len(sign) - 1; n > 0; n-- {
			if _, ok := operatorOf(sign[:n]); ok {
				l.at = start + n
				break
			}
		}
	}
	return token{text: l.text[start:l.at], at: start}
}

// word takes one of the words or signs given, if it stands here as a whole.
func (l *lexer) word(words ...string) bool {
	for _, w := range words {
		rest, found := strings.CutPrefix(l.text[l.at:], w)
		if !found || rest != "" && isLetter(w[len(w)-1]) && isWord(rest[0]) {
			continue
		}
		l.at += len(w)
		return true
	}
	return false
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' }

// isWord reports whether the character goes on with a word that a letter began.
func isWord(c byte) bool { return isName(c) || c == ':' }

// value takes a literal: in quotes, or up to white space, a parenthesis, a quote
// or the signs && and ||. Inside a list a comma and a bracket end it as well.
// There is no escaping: no name or value of a cluster has quotes in it.
func (l *lexer) value(inList bool) (token, *SyntaxError) {
	if q := l.next(); q == '\'' || q == '"' {
		start := l.at
		length := strings.IndexByte(l.text[start+1:], q)
		if length < 0 {
			return token{}, l.fail(len(l.text), "a closing "+string(rune(q)), "")
		}
		l.at = start + length + 2
		return token{text: l.text[start+1 : l.at-1], at: start, quoted: true}, nil
	}
	start := l.at
	for l.at < len(l.text) {
		c := l.text[l.at]
		rest := l.text[l.at:]
		if blank(c) || strings.IndexByte(`()'"`, c) >= 0 || inList && (c == ',' || c == ']') ||
			strings.HasPrefix(rest, "&&") || strings.HasPrefix(rest, "||") {
			break
		}
		l.at++
	}
	return token{text: l.text[start:l.at], at: start}, nil
}

// fail makes the error for a place, and finds what stands there: a word, or one
// character where none begins.
func (l *lexer) fail(at int, expected, detail string) *SyntaxError {
	e := &SyntaxError{Column: utf8.RuneCountInString(l.text[:at]) + 1, Expected: expected, Detail: detail}
	rest := l.text[at:]
	end := 0
	for end < len(rest) && !blank(rest[end]) && strings.IndexByte("()[],", rest[end]) < 0 {
		end++
	}
	if end == 0 && rest != "" {
		_, end = utf8.DecodeRuneInString(rest)
	}
	e.Found = rest[:end]
	return e
}
