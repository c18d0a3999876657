package awsapi

import (
	"strconv"
	"strings"
)

const (
	// maxDepth bounds the nesting of a request. The deepest input of the
	// services here is a tenth of it.
	maxDepth = 100
	// maxElements bounds the list elements and map entries of a request: three
	// bytes of JSON can ask for a struct of some hundred bytes.
	maxElements = 1 << 16
)

// malformedError says that a request's body is not of the form that its
// operation takes.
type malformedError struct {
	sentence string
	path     []string // from the inside out
}

func (e *malformedError) Error() string {
	if len(e.path) == 0 {
		return e.sentence
	}
	parts := make([]string, 0, len(e.path))
	for i := len(e.path) - 1; i >= 0; i-- {
		parts = append(parts, e.path[i])
	}
	return e.sentence + " (at '" + strings.Join(parts, ".") + "')"
}

const errForeign = "drydock does not take this parameter"

func malformed(sentence string) error { return &malformedError{sentence: sentence} }

// within notes where in the body an error arose.
func within(err error, name string) error {
	if m, ok := err.(*malformedError); ok && len(m.path) < maxDepth {
		m.path = append(m.path, name)
	}
	return err
}

func withinElement(err error, i int) error { return within(err, strconv.Itoa(i+1)+".member") }

// javaName is how AWS's refusals call the type that a value should have had.
func (p *plan) javaName() string {
	switch p.form {
	case text:
		return "String"
	case boolean:
		return "Boolean"
	case integer:
		if p.typ.Size() == 8 {
			return "Long"
		}
		return "Integer"
	case decimal:
		return "Double"
	case timestamp:
		return "Timestamp"
	}
	return "Blob"
}
