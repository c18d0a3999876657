package declare

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parse makes a tree of YAML or JSON whose nodes know their lines; nil for a text
// that holds nothing.
//
// YAML is almost, and not quite, a language of which JSON is a part: its parser
// knows no tabs before a value and no pairs of surrogates. So JSON is read as
// JSON, and only what is none as YAML.
func (r *reader) parse(text []byte) *yaml.Node {
	n, err := parseTree(text)
	if err != nil {
		r.failed(errors.New(r.file + separator(err) + err.Error()))
		return nil
	}
	return n
}

func parseTree(text []byte) (*yaml.Node, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(text) {
		return parseJSON(text)
	}
	return parseYAML(text)
}

func parseYAML(text []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil // nothing but comments
	case err != nil:
		return nil, plain(err)
	}
	switch err := d.Decode(&more); {
	case err == nil:
		return nil, errors.New("it holds more than one YAML document")
	case !errors.Is(err, io.EOF):
		return nil, plain(err)
	}
	top := document.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == nullTag {
		return nil, nil
	}
	return top, nil
}

// plain is an error of the YAML parser on one line, without its name.
func plain(err error) error {
	return errors.New(strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " "))
}

// separator joins the name of a file to an error that may begin with a line.
func separator(err error) string {
	if strings.HasPrefix(err.Error(), "line ") {
		return ", "
	}
	return ": "
}

const (
	nullTag  = "!!null"
	boolTag  = "!!bool"
	textTag  = "!!str"
	otherTag = "!!float" // a number, of which only the spelling matters
)

// parseJSON makes the same tree of JSON, which has to be valid.
func parseJSON(text []byte) (*yaml.Node, error) {
	t := &tokens{d: json.NewDecoder(bytes.NewReader(text)), text: text, line: 1}
	t.d.UseNumber()
	return t.value()
}

// tokens reads JSON and counts its lines.
type tokens struct {
	d    *json.Decoder
	text []byte
	// counted is up to where line counts.
	counted int64
	line    int
}

func (t *tokens) next() (json.Token, error) {
	token, err := t.d.Token()
	// Tokens do not span lines, so where one ends it began.
	t.line += bytes.Count(t.text[t.counted:t.d.InputOffset()], []byte("\n"))
	t.counted = t.d.InputOffset()
	return token, err
}

func (t *tokens) value() (*yaml.Node, error) {
	token, err := t.next()
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: t.line}
	switch v := token.(type) {
	case string:
		n.Tag, n.Value = textTag, v
	case json.Number:
		n.Tag, n.Value = otherTag, v.String()
	case bool:
		n.Tag, n.Value = boolTag, "false"
		if v {
			n.Value = "true"
		}
	case nil:
		n.Tag = nullTag
	case json.Delim:
		n.Kind = yaml.MappingNode
		if v == '[' {
			n.Kind = yaml.SequenceNode
		}
		for t.d.More() { // keys and values come one after the other
			child, err := t.value()
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
		_, err = t.next()
	}
	return n, err
}
