package awsapi

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"reflect"
	"strconv"
	"time"
)

// writeXML writes a value of the SDK as the content of an element of an awsQuery
// answer.
func writeXML(b *bytes.Buffer, p *plan, v reflect.Value) {
	switch p.form {
	case structure:
		for _, f := range p.fields {
			if member, ok := present(v.Field(f.index)); ok {
				element(b, f.name, func() { writeXML(b, f.plan, member) })
			}
		}
	case list:
		for i := range v.Len() {
			element(b, "member", func() { writeElement(b, p.elem, v.Index(i)) })
		}
	case mapping:
		for _, key := range sortedKeys(v) {
			element(b, "entry", func() {
				element(b, "key", func() { escapeXML(b, key.String()) })
				element(b, "value", func() { writeElement(b, p.elem, v.MapIndex(key)) })
			})
		}
	case text:
		escapeXML(b, v.String())
	case boolean:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case integer:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case decimal:
		b.WriteString(formatFloat(v.Float(), int(p.typ.Size())*8))
	case timestamp:
		// A fraction is written only where there is one.
		b.WriteString(v.Interface().(time.Time).UTC().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.999Z"))
	case blob:
		b.WriteString(base64.StdEncoding.EncodeToString(v.Bytes()))
	}
}

func writeElement(b *bytes.Buffer, p *plan, v reflect.Value) {
	if v, ok := present(v); ok {
		writeXML(b, p, v)
	}
}

// element writes an element around what content writes. Names come from the
// models and need no escaping.
func element(b *bytes.Buffer, name string, content func()) {
	b.WriteString("<" + name + ">")
	content()
	b.WriteString("</" + name + ">")
}

// escapeXML writes text; what XML cannot carry becomes U+FFFD.
func escapeXML(b *bytes.Buffer, s string) {
	_ = xml.EscapeText(b, []byte(s)) // a bytes.Buffer does not fail
}
