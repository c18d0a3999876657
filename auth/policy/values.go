package policy

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// value is one value of a condition, compiled for its operator.
type value interface {
	// matches reports whether a value of the request matches. Negation is the
	// clause's business: a value that is not of the operator's sort, or a
	// variable without a value, matches nothing.
	matches(r *request, got string) bool
	// wanted is the value for people to read; ok is false when a variable in
	// it has no value.
	wanted(r *request) (s string, ok bool)
	// variables appends the policy variables in it.
	variables(to []string) []string
}

// compileValue makes a value of the text in the document.
func compileValue(op operator, s string, d dialect) (value, error) {
	d.variables = d.variables && op.family.variables()
	switch op.family {
	case texts, textsFolded, textsLike, booleans:
		d.wildcards = op.family == textsLike
		t, err := parseTemplate(s, d)
		if err != nil {
			return nil, &variableError{err}
		}
		return textValue{op.family, t}, nil
	case arns:
		d.wildcards = true
		v := arnValue{spelled: s}
		parts, n := splitARN(s, d.variables)
		v.whole = n == len(parts)
		for i, part := range parts {
			t, err := parseTemplate(part, d)
			if err != nil {
				return nil, &variableError{err}
			}
			v.parts[i] = t
		}
		return v, nil
	case numbers:
		f, err := parseNumber(s)
		return numberValue{fixed(s), f, op.relation}, err
	case dates:
		t, err := parseDate(s)
		return dateValue{fixed(s), t, op.relation}, err
	case addresses:
		p, err := parseAddresses(s)
		return addressValue{fixed(s), p}, err
	case binaries:
		b, err := base64.StdEncoding.DecodeString(s)
		return binaryValue{fixed(s), b}, err
	case nulls:
		if !isBoolean(s) {
			return nil, fmt.Errorf("%q is neither true nor false", s)
		}
		return nullValue(strings.EqualFold(s, "true")), nil
	}
	return nil, fmt.Errorf("no operator compares values of sort %d", op.family)
}

// variableError is a fault in a policy variable, as against one in a value.
type variableError struct{ error }

type textValue struct {
	family family
	template
}

func (v textValue) matches(r *request, got string) bool {
	want, ok := v.expand(r)
	if !ok {
		return false
	}
	switch v.family {
	case textsLike:
		return match(want, got)
	case textsFolded:
		return strings.EqualFold(want, got)
	case booleans:
		return strings.EqualFold(want, got) && isBoolean(got)
	}
	return want == got
}

func (v textValue) wanted(r *request) (string, bool) {
	s, ok := v.expand(r)
	return spelled(s), ok
}

func (v textValue) variables(to []string) []string { return v.names(to) }

func isBoolean(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }

// arnValue compares ARNs component by component.
type arnValue struct {
	spelled string
	parts   [6]template
	whole   bool // it has all six
}

func (v arnValue) matches(r *request, got string) bool {
	parts, n := splitARN(got, false)
	if !v.whole || n != len(parts) {
		return false
	}
	for i := range v.parts {
		if !v.parts[i].like(r, parts[i]) {
			return false
		}
	}
	return true
}

func (v arnValue) wanted(r *request) (string, bool) {
	var parts [6]string
	for i := range v.parts {
		s, ok := v.parts[i].expand(r)
		if !ok {
			return "", false
		}
		parts[i] = spelled(s)
	}
	if !v.whole {
		return v.spelled, true
	}
	return strings.Join(parts[:], ":"), true
}

func (v arnValue) variables(to []string) []string {
	for i := range v.parts {
		to = v.parts[i].names(to)
	}
	return to
}

// fixed gives the two methods of values that hold no variables.
type fixed string

func (f fixed) wanted(*request) (string, bool) { return string(f), true }
func (fixed) variables(to []string) []string   { return to }
func (r relation) holds(comparison int) bool   { return r&(less<<(comparison+1)) != 0 }

type numberValue struct {
	fixed
	number   float64
	relation relation
}

func (v numberValue) matches(_ *request, got string) bool {
	f, err := parseNumber(got)
	return err == nil && v.relation.holds(cmp.Compare(f, v.number))
}

// parseNumber reads a decimal number, the only notation that IAM knows.
func parseNumber(s string) (float64, error) {
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return strconv.ParseFloat(s, 64)
}

type dateValue struct {
	fixed
	date     time.Time
	relation relation
}

func (v dateValue) matches(_ *request, got string) bool {
	t, err := parseDate(got)
	return err == nil && v.relation.holds(t.Compare(v.date))
}

// parseDate reads a date in one of the forms of the W3C note on ISO 8601, or
// seconds since 1970. Four digits are a year. Without a zone it is UTC.
func parseDate(s string) (time.Time, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) != 4 {
		return time.Unix(n, 0), nil
	}
	u := strings.ToUpper(s)
	for _, layout := range []string{
		"2006", "2006-01", "2006-01-02",
		"2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z07:00",
		"2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07",
		"2006-01-02T15:04", "2006-01-02T15:04:05",
	} {
		// A fraction of a second is accepted where the layout has seconds.
		if t, err := time.Parse(layout, u); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date", s)
}

type addressValue struct {
	fixed
	prefix netip.Prefix
}

func (v addressValue) matches(_ *request, got string) bool {
	a, err := netip.ParseAddr(got)
	return err == nil && v.prefix.Contains(a.Unmap().WithZone(""))
}

// parseAddresses reads an address or a range of them.
func parseAddresses(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if a.Zone() != "" {
		return netip.Prefix{}, errors.New("an address with a zone")
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

type binaryValue struct {
	fixed
	bytes []byte
}

func (v binaryValue) matches(_ *request, got string) bool {
	b, err := base64.StdEncoding.DecodeString(got)
	return err == nil && bytes.Equal(b, v.bytes)
}

// nullValue tells whether the key is asked to be absent.
type nullValue bool

func (nullValue) matches(*request, string) bool    { return false }
func (v nullValue) wanted(*request) (string, bool) { return strconv.FormatBool(bool(v)), true }
func (nullValue) variables(to []string) []string   { return to }
