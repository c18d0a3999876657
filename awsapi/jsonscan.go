package awsapi

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader reads the tokens of a JSON text, RFC 8259.
type jsonReader struct {
	data     []byte
	at       int
	depth    int
	elements int
}

const (
	errJSONEnd = "Unexpected end of the request"
	errJSON    = "Unexpected token received from parser"
)

func (d *jsonReader) blanks() {
	for d.at < len(d.data) {
		switch d.data[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

// peek returns the next byte that is not blank, 0 at the end.
func (d *jsonReader) peek() byte {
	d.blanks()
	if d.at < len(d.data) {
		return d.data[d.at]
	}
	return 0
}

func (d *jsonReader) fail() error {
	if d.at >= len(d.data) {
		return malformed(errJSONEnd)
	}
	return malformed(errJSON)
}

func (d *jsonReader) literal(s string) bool {
	if bytes.HasPrefix(d.data[d.at:], []byte(s)) {
		d.at += len(s)
		return true
	}
	return false
}

// numeral takes the next number as it is written.
func (d *jsonReader) numeral() (string, error) {
	start := d.at
	digits := func() bool {
		from := d.at
		for d.at < len(d.data) && d.data[d.at] >= '0' && d.data[d.at] <= '9' {
			d.at++
		}
		return d.at > from
	}
	has := func(set string) bool {
		if d.at < len(d.data) && strings.IndexByte(set, d.data[d.at]) >= 0 {
			d.at++
			return true
		}
		return false
	}
	has("-")
	zero := d.at
	ok := digits() && (d.data[zero] != '0' || d.at == zero+1)
	if ok && has(".") {
		ok = digits()
	}
	if ok && has("eE") {
		has("+-")
		ok = digits()
	}
	if !ok {
		return "", d.fail()
	}
	return string(d.data[start:d.at]), nil
}

// object reads the members of an object, at whose brace the reader stands.
func (d *jsonReader) object(member func(name string) error) error {
	return d.sequence('}', func(int) error {
		if d.peek() != '"' {
			return d.fail()
		}
		name, err := d.string()
		if err != nil {
			return err
		}
		if d.peek() != ':' {
			return d.fail()
		}
		d.at++
		return within(member(name), name)
	})
}

func (d *jsonReader) array(element func(i int) error) error {
	return d.sequence(']', func(i int) error { return withinElement(element(i), i) })
}

// sequence reads what stands between two brackets, separated by commas.
func (d *jsonReader) sequence(closing byte, item func(i int) error) error {
	if d.depth++; d.depth > maxDepth {
		return malformed("The request is nested more than " + strconv.Itoa(maxDepth) + " deep")
	}
	defer func() { d.depth-- }()
	d.at++
	if d.peek() == closing {
		d.at++
		return nil
	}
	for i := 0; ; i++ {
		if err := item(i); err != nil {
			return err
		}
		switch d.peek() {
		case ',':
			d.at++
		case closing:
			d.at++
			return nil
		default:
			return d.fail()
		}
	}
}

// skip passes over a value that nobody wants.
func (d *jsonReader) skip() error {
	switch c := d.peek(); {
	case c == '{':
		return d.object(func(string) error { return d.skip() })
	case c == '[':
		return d.array(func(int) error { return d.skip() })
	case c == '"':
		_, _, err := d.quoted()
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, err := d.numeral()
		return err
	case c == 't' && d.literal("true"), c == 'f' && d.literal("false"), c == 'n' && d.literal("null"):
		return nil
	}
	return d.fail()
}

// quoted takes the next string as it stands between its quotes, and says whether
// it holds escapes.
func (d *jsonReader) quoted() (raw []byte, escaped bool, err error) {
	d.at++
	rest := d.data[d.at:]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		d.at = len(d.data)
		return nil, false, malformed(errJSONEnd)
	}
	// The usual string has no escapes, and a layer part is searched at the
	// speed of memory.
	slash := bytes.IndexByte(rest[:end], '\\')
	if slash < 0 {
		d.at += end + 1
		return rest[:end], false, nil
	}
	for end = slash; end < len(rest) && rest[end] != '"'; end++ {
		if rest[end] == '\\' {
			end++
		}
	}
	if end >= len(rest) {
		d.at = len(d.data)
		return nil, false, malformed(errJSONEnd)
	}
	d.at += end + 1
	return rest[:end], true, nil
}

func (d *jsonReader) string() (string, error) {
	raw, escaped, err := d.quoted()
	if err != nil {
		return "", err
	}
	for _, c := range raw {
		if c < ' ' {
			return "", malformed("A string holds a control character")
		}
	}
	if escaped {
		if raw, err = unescape(raw); err != nil {
			return "", err
		}
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD"), nil
}

func (d *jsonReader) base64() ([]byte, error) {
	raw, escaped, err := d.quoted()
	if err != nil {
		return nil, err
	}
	if escaped { // some clients escape the slash
		if raw, err = unescape(raw); err != nil {
			return nil, err
		}
	}
	// In place: each four characters are read before their three bytes are
	// written, and never behind them.
	n, err := base64.StdEncoding.Decode(raw, raw)
	if err != nil {
		return nil, malformed("A blob is not valid base64")
	}
	return raw[:n:n], nil
}

// unescape resolves the escapes of a JSON string.
func unescape(raw []byte) ([]byte, error) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		if at := strings.IndexByte(`"\/bfnrt`, raw[i]); at >= 0 {
			out = append(out, "\"\\/\b\f\n\r\t"[at])
			continue
		}
		r, ok := codeUnit(raw[i:])
		if !ok {
			return nil, malformed("A string holds an escape that is none")
		}
		i += 4
		if utf16.IsSurrogate(r) {
			low, ok := rune(0), false
			if i+1 < len(raw) && raw[i+1] == '\\' {
				low, ok = codeUnit(raw[i+2:])
			}
			if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
				i += 6
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}

// codeUnit reads the uXXXX of an escape.
func codeUnit(b []byte) (rune, bool) {
	if len(b) < 5 || b[0] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[1:5]), 16, 16)
	return rune(n), err == nil
}
