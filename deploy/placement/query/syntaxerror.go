package query

import "fmt"

// SyntaxError says where an expression stops making sense, and what would.
type SyntaxError struct {
	// Column counts characters from 1; one past the last is the end.
	Column int
	// Expected says what could stand there.
	Expected string
	// Found is what stands there instead; empty at the end of the expression.
	Found string
	// Detail is a further reason, or empty.
	Detail string
}

// Error names the column, what was expected and what was found.
func (e *SyntaxError) Error() string {
	found := "the end of the expression"
	if e.Found != "" {
		found = fmt.Sprintf("%q", e.Found)
	}
	s := fmt.Sprintf("column %d: expected %s, found %s", e.Column, e.Expected, found)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}
