package declare

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"

	"drydock/auth/policy"
)

// encode writes a tree as JSON in which everything stands on the line on which it
// stands in the tree, counted from the tree's own, so that the faults that the
// policy parser finds have their places. All values become text, spelt as they
// are: in YAML 2012-10-17 without quotes is a date, and an account id a number.
func encode(n *yaml.Node) ([]byte, error) {
	w := &encoder{line: n.Line}
	if err := w.value(n, 0); err != nil {
		return nil, err
	}
	return w.out.Bytes(), nil
}

type encoder struct {
	out  bytes.Buffer
	line int // of the tree, that the output has come to
	size int
}

// deepest is more than any policy document is.
const deepest = 32

func (w *encoder) value(n *yaml.Node, depth int) error {
	n = target(n)
	switch {
	case depth > deepest: // an alias can stand for what it is a part of
		return errors.New("it is nested too deep")
	case w.size > policy.MaxDocument:
		return errors.New("it is too long")
	}
	for ; w.line < n.Line; w.line++ {
		w.out.WriteByte('\n')
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return w.scalar(n)
	case yaml.SequenceNode:
		w.write("[")
		for i, element := range n.Content {
			if i > 0 {
				w.write(",")
			}
			if err := w.value(element, depth+1); err != nil {
				return err
			}
		}
		w.write("]")
		return nil
	}
	w.write("{")
	for i, element := range n.Content {
		switch {
		case i%2 == 1:
			w.write(":")
		case target(element).Kind != yaml.ScalarNode || target(element).Tag == nullTag:
			return errors.New("a key of it is not a plain word")
		case i > 0:
			w.write(",")
		}
		if err := w.value(element, depth+1); err != nil {
			return err
		}
	}
	w.write("}")
	return nil
}

func (w *encoder) scalar(n *yaml.Node) error {
	text := n.Value
	switch n.Tag {
	case nullTag:
		w.write("null")
		return nil
	case boolTag:
		text = strings.ToLower(text)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return err
	}
	w.write(strings.TrimSuffix(b.String(), "\n"))
	return nil
}

func (w *encoder) write(s string) {
	w.size += len(s)
	w.out.WriteString(s)
}
