package awsapi

import (
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// appendJSON appends a value of the SDK as awsJson1.1 writes it. What is absent
// is left out; an empty list that is there is written.
func appendJSON(b []byte, p *plan, v reflect.Value) []byte {
	switch p.form {
	case structure:
		b = append(b, '{')
		b = appendMembers(b, p, v, false)
		return append(b, '}')
	case list:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendElement(b, p.elem, v.Index(i))
		}
		return append(b, ']')
	case mapping:
		b = append(b, '{')
		for i, key := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, key.String())
			b = append(b, ':')
			b = appendElement(b, p.elem, v.MapIndex(key))
		}
		return append(b, '}')
	case text:
		return appendString(b, v.String())
	case boolean:
		return strconv.AppendBool(b, v.Bool())
	case integer:
		return strconv.AppendInt(b, v.Int(), 10)
	case decimal:
		return appendFloat(b, v.Float(), int(p.typ.Size())*8)
	case timestamp:
		ms := v.Interface().(time.Time).UnixMilli()
		return strconv.AppendFloat(b, float64(ms)/1000, 'f', -1, 64)
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, v.Bytes())
	return append(b, '"')
}

// appendMembers appends the members of a structure that are there, with a comma
// before the first when others precede them.
func appendMembers(b []byte, p *plan, v reflect.Value, more bool) []byte {
	for _, f := range p.fields {
		member, ok := present(v.Field(f.index))
		if !ok {
			continue
		}
		if more {
			b = append(b, ',')
		}
		more = true
		b = appendString(b, f.name)
		b = append(b, ':')
		b = appendJSON(b, f.plan, member)
	}
	return b
}

// appendElement appends what has a place even when it is absent.
func appendElement(b []byte, p *plan, v reflect.Value) []byte {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return append(b, "null"...)
		}
		v = v.Elem()
	}
	return appendJSON(b, p, v)
}

func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	return keys
}

func appendFloat(b []byte, f float64, bits int) []byte {
	s := formatFloat(f, bits)
	if math.IsNaN(f) || math.IsInf(f, 0) { // JSON has no form for them
		return appendString(b, s)
	}
	return append(b, s...)
}

// formatFloat writes a number as all of AWS's protocols do.
func formatFloat(f float64, bits int) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'g', -1, bits)
}

// appendString appends a JSON string. Only what JSON demands is escaped: AWS
// does not write <, > and & otherwise, as encoding/json does.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(b, s[start:i]...)
				b = append(b, "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		if at := strings.IndexByte("\"\\\b\f\n\r\t", c); at >= 0 {
			b = append(b, '\\', `"\bfnrt`[at])
		} else {
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
