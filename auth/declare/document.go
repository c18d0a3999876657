package declare

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"drydock/auth/policy"
)

// document is a policy document.
type document struct {
	place
	// text is JSON: that of the file, or what was written in place.
	text   string
	parsed *policy.Document
}

// document reads a policy document that is written in place or, by the key file,
// in a file of its own. most is the quota of its size, 0 for none.
func (r *reader) document(p place, n *yaml.Node, use policy.Use, most int) document {
	d := document{place: p.on(n.Line)}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "file" {
		d.text, d.parsed = r.documentFile(d.place, target(n.Content[1]), use)
	} else {
		d.text, d.parsed = r.documentInPlace(d.place, n, use)
	}
	if size := policy.Size([]byte(d.text)); most > 0 && size > most {
		r.failed(d.errorf("the policy document has %d characters that are not white space, and IAM takes %d", size, most))
	}
	return d
}

func (r *reader) documentInPlace(p place, n *yaml.Node, use policy.Use) (string, *policy.Document) {
	if n.Kind != yaml.MappingNode {
		r.failed(p.errorf("here belongs a policy document, or file: and the name of a file that holds one"))
		return "", nil
	}
	text, err := encode(n)
	if err != nil {
		r.failed(p.errorf("the policy document: %w", err))
		return "", nil
	}
	parsed, err := policy.Parse(text, use)
	if err != nil {
		r.failed(p.on(lineOf(err, n.Line)).errorf("%s", refusal(err)))
		return "", nil
	}
	return compact(text), parsed
}

func (r *reader) documentFile(p place, name *yaml.Node, use policy.Use) (string, *policy.Document) {
	if !isText(name) || name.Value == "" {
		r.failed(p.errorf("file: is followed by the name of a file"))
		return "", nil
	}
	text, err := os.ReadFile(r.path(name.Value))
	if err != nil {
		r.failed(p.errorf("reading the policy document: %w", err))
		return "", nil
	}
	first, converted := 1, false
	if wrong := notJSON(text); wrong != nil {
		if !isYAML(name.Value) {
			r.failed(p.errorf("%s, %w", name.Value, wrong))
			return "", nil
		}
		n, err := parseTree(text)
		if err == nil && (n == nil || n.Kind != yaml.MappingNode) {
			err = errors.New("it is not a policy document")
		}
		if err == nil {
			first, converted = n.Line, true
			text, err = encode(n)
		}
		if err != nil {
			r.failed(p.errorf("%s%s%w", name.Value, separator(err), err))
			return "", nil
		}
	}
	parsed, err := policy.Parse(text, use)
	switch {
	case err != nil:
		in := place{file: name.Value, line: lineOf(err, first)}
		r.failed(p.errorf("%w", in.errorf("%s", refusal(err))))
		return "", nil
	case converted:
		return compact(text), parsed
	}
	return string(text), parsed
}

// notJSON says on which line a text is not JSON; nil where it is.
func notJSON(text []byte) error {
	var v any
	err := json.Unmarshal(text, &v)
	if err == nil {
		return nil
	}
	line := 1
	if wrong := new(json.SyntaxError); errors.As(err, &wrong) {
		line += bytes.Count(text[:min(wrong.Offset, int64(len(text)))], []byte("\n"))
	}
	return fmt.Errorf("line %d: it is not JSON: %w", line, err)
}

func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// path is a file that the file names, relative to its own folder.
func (r *reader) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.folder, name)
}

// lineOf is the line of a fault in a document that begins on line first.
func lineOf(err error, first int) int {
	var wrong *policy.SyntaxError
	if errors.As(err, &wrong) && wrong.At.Line > 0 {
		return first + wrong.At.Line - 1
	}
	return first
}

// compact takes the white space out of JSON, which has to be valid.
func compact(text []byte) string {
	var b bytes.Buffer
	_ = json.Compact(&b, text) // the policy parser has read it
	return b.String()
}

// same reports whether two documents say the same, however they are laid out.
func same(a, b string) bool {
	if a == b {
		return true
	}
	x, okX := decoded(a)
	y, okY := decoded(b)
	return okX && okY && reflect.DeepEqual(x, y)
}

func decoded(text string) (v any, ok bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return v, d.Decode(&v) == nil
}
