package awsapi

import (
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// decodeJSON reads the body of an awsJson1.1 request into a struct of the SDK.
// Members that the struct has not are passed over, as AWS does. It makes the
// body its own: blobs are decoded in place and remain a part of it.
//
// A decoder of our own because encoding/json knows neither how the services
// spell members, nor their timestamps, and would hold a layer part three times.
func decodeJSON(p *plan, body []byte, into reflect.Value) error {
	d := &jsonReader{data: body}
	d.blanks()
	if d.at == len(d.data) {
		return nil // no body stands for no members
	}
	if err := d.value(p, into); err != nil {
		return err
	}
	if d.blanks(); d.at != len(d.data) {
		return malformed("Unexpected data after the end of the request")
	}
	return nil
}

// value reads any value into v. null leaves it absent.
func (d *jsonReader) value(p *plan, v reflect.Value) error {
	c := d.peek()
	if c == 'n' && d.literal("null") {
		v.SetZero()
		return nil
	}
	switch p.form {
	case foreign:
		return malformed(errForeign)
	case structure:
		if c != '{' {
			return d.unexpected(p, "Unexpected value type in payload")
		}
		v = settle(v)
		v.SetZero() // what a key says twice, it says the second time
		return d.object(func(name string) error {
			i, ok := p.byName[name]
			if !ok {
				return d.skip()
			}
			return d.value(p.fields[i].plan, v.Field(p.fields[i].index))
		})
	case mapping:
		if c != '{' {
			return d.unexpected(p, "Unexpected field type")
		}
		v = settle(v)
		v.Set(reflect.MakeMap(p.typ))
		return d.object(func(name string) error {
			elem := reflect.New(p.typ.Elem()).Elem()
			if err := d.value(p.elem, elem); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(name).Convert(p.typ.Key()), elem)
			return d.count()
		})
	case list:
		if c != '[' {
			return d.unexpected(p, "Unexpected field type")
		}
		v = settle(v)
		v.Set(reflect.MakeSlice(p.typ, 0, 0))
		return d.array(func(i int) error {
			v.Grow(1)
			v.SetLen(i + 1)
			if err := d.value(p.elem, v.Index(i)); err != nil {
				return err
			}
			return d.count()
		})
	case blob:
		if c != '"' {
			return d.unexpected(p, "")
		}
		b, err := d.base64()
		settle(v).SetBytes(b)
		return err
	case text:
		if c != '"' {
			return d.unexpected(p, "")
		}
		s, err := d.string()
		settle(v).SetString(s)
		return err
	case boolean:
		switch {
		case c == 't' && d.literal("true"):
			settle(v).SetBool(true)
			return nil
		case c == 'f' && d.literal("false"):
			settle(v).SetBool(false)
			return nil
		}
		return d.unexpected(p, "")
	}
	return d.number(p, v, c)
}

func (d *jsonReader) count() error {
	if d.elements++; d.elements > maxElements {
		return malformed("The request has more than " + strconv.Itoa(maxElements) + " elements")
	}
	return nil
}

// unexpected words that the next value is not of the type that it should be.
func (d *jsonReader) unexpected(p *plan, sentence string) error {
	token := ""
	switch c := d.peek(); {
	case c == '{':
		return malformed("Start of structure or map found where not expected")
	case c == '[':
		return malformed("Start of list found where not expected")
	case c == '"':
		token = "STRING_VALUE"
	case c == 't' && d.literal("true"):
		token = "TRUE_VALUE"
	case c == 'f' && d.literal("false"):
		token = "FALSE_VALUE"
	case c == '-' || c >= '0' && c <= '9':
		token = "NUMBER_VALUE"
		if n, _ := d.numeral(); strings.ContainsAny(n, ".eE") {
			token = "DECIMAL_VALUE"
		}
	default:
		return d.fail()
	}
	if sentence != "" {
		return malformed(sentence)
	}
	return malformed(token + " cannot be converted to " + p.javaName())
}

// number reads an integer, a decimal or a timestamp.
func (d *jsonReader) number(p *plan, v reflect.Value, c byte) error {
	if c == '"' && p.form == decimal {
		// Numbers that JSON has no form for are strings.
		s, err := d.string()
		if err != nil {
			return err
		}
		if s == "NaN" || s == "Infinity" || s == "-Infinity" {
			f, err := strconv.ParseFloat(s, 64)
			settle(v).SetFloat(f)
			return err
		}
		return malformed("STRING_VALUE cannot be converted to Double")
	}
	if c != '-' && (c < '0' || c > '9') {
		return d.unexpected(p, "")
	}
	start := d.at
	s, err := d.numeral()
	if err != nil {
		return err
	}
	if p.form == integer {
		n, err := strconv.ParseInt(s, 10, int(p.typ.Size())*8)
		if err != nil {
			d.at = start
			return d.unexpected(p, "")
		}
		settle(v).SetInt(n)
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return malformed("NUMBER_VALUE cannot be converted to " + p.javaName())
	}
	if p.form == decimal {
		settle(v).SetFloat(f)
		return nil
	}
	if math.Abs(f) > maxSeconds {
		return malformed("NUMBER_VALUE cannot be converted to Timestamp")
	}
	settle(v).Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(f * 1000))).UTC()))
	return nil
}

// maxSeconds is the end of the year 9999, beyond which times have no ISO form.
const maxSeconds = 253402300799
