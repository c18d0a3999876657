package awsapi

import (
	"encoding/base64"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// branch is a part of an awsQuery request: Tags.member.1.Key=a becomes a value
// under Tags, member, 1 and Key.
type branch struct {
	value string
	under map[string]*branch
}

// branches sorts the parameters of a request by the dots in their names.
// Errors: *malformedError.
func branches(form url.Values) (*branch, error) {
	root, made := &branch{}, 0
	for name, values := range form {
		parts := strings.Split(name, ".")
		if len(parts) > maxDepth {
			return nil, malformed("A parameter is nested more than " + strconv.Itoa(maxDepth) + " deep")
		}
		at := root
		for _, part := range parts {
			if at.under == nil {
				at.under = map[string]*branch{}
			}
			if at.under[part] == nil {
				if made++; made > maxElements {
					return nil, malformed("The request has more than " + strconv.Itoa(maxElements) + " elements")
				}
				at.under[part] = &branch{}
			}
			at = at.under[part]
		}
		at.value = values[0]
	}
	return root, nil
}

// parseForm reads the parameters of an awsQuery request. Errors:
// *malformedError.
func parseForm(encoded string) (url.Values, error) {
	if strings.Count(encoded, "&") > maxElements {
		return nil, malformed("The request has more than " + strconv.Itoa(maxElements) + " parameters")
	}
	form, err := url.ParseQuery(encoded)
	if err != nil {
		return nil, malformed("The request is not well-formed form data")
	}
	return form, nil
}

// decodeForm reads the parameters of an awsQuery request into a struct of the
// SDK. Parameters that the struct has not are passed over.
func decodeForm(p *plan, form url.Values, into reflect.Value) error {
	root, err := branches(form)
	if err != nil {
		return err
	}
	return root.decode(p, into)
}

func (b *branch) decode(p *plan, v reflect.Value) error {
	v = settle(v)
	switch p.form {
	case foreign:
		return malformed(errForeign)
	case structure:
		for name, inner := range b.under {
			i, ok := p.byName[name]
			if !ok {
				continue
			}
			if err := inner.decode(p.fields[i].plan, v.Field(p.fields[i].index)); err != nil {
				return within(err, name)
			}
		}
		return nil
	case list:
		v.Set(reflect.MakeSlice(p.typ, 0, 0))
		for i, item := range b.numbered("member") {
			v.Grow(1)
			v.SetLen(i + 1)
			if err := item.decode(p.elem, v.Index(i)); err != nil {
				return withinElement(err, i)
			}
		}
		return nil
	case mapping:
		v.Set(reflect.MakeMap(p.typ))
		for i, entry := range b.numbered("entry") {
			elem := reflect.New(p.typ.Elem()).Elem()
			if value := entry.under["value"]; value != nil {
				if err := value.decode(p.elem, elem); err != nil {
					return within(err, "entry."+strconv.Itoa(i+1)+".value")
				}
			}
			if key := entry.under["key"]; key != nil {
				v.SetMapIndex(reflect.ValueOf(strings.Clone(key.value)).Convert(p.typ.Key()), elem)
			}
		}
		return nil
	}
	if b.under != nil {
		return malformed("Start of structure or map found where not expected")
	}
	return b.scalar(p, v)
}

// numbered returns the branches name.1, name.2 and so on in the order of their
// numbers, which AWS does not demand to be without gaps.
func (b *branch) numbered(name string) []*branch {
	items := b.under[name]
	if items == nil {
		return nil
	}
	numbers := make(map[int]*branch, len(items.under))
	for key, item := range items.under {
		if n, err := strconv.Atoi(key); err == nil && n > 0 {
			numbers[n] = item
		}
	}
	out := make([]*branch, 0, len(numbers))
	for _, n := range slices.Sorted(maps.Keys(numbers)) {
		out = append(out, numbers[n])
	}
	return out
}

func (b *branch) scalar(p *plan, v reflect.Value) error {
	var err error
	switch p.form {
	case text:
		// A copy, for what keeps it would keep the whole request with it.
		v.SetString(strings.Clone(strings.ToValidUTF8(b.value, "\uFFFD")))
	case boolean:
		switch b.value {
		case "true":
			v.SetBool(true)
		case "false":
			v.SetBool(false)
		default:
			err = strconv.ErrSyntax
		}
	case integer:
		var n int64
		n, err = strconv.ParseInt(b.value, 10, int(p.typ.Size())*8)
		v.SetInt(n)
	case decimal:
		var f float64
		f, err = strconv.ParseFloat(b.value, int(p.typ.Size())*8)
		v.SetFloat(f)
	case timestamp:
		var t time.Time
		t, err = time.Parse(time.RFC3339Nano, b.value)
		v.Set(reflect.ValueOf(t.UTC()))
	case blob:
		var raw []byte
		raw, err = base64.StdEncoding.DecodeString(b.value)
		v.SetBytes(raw)
	}
	if err != nil {
		return malformed("STRING_VALUE cannot be converted to " + p.javaName())
	}
	return nil
}
