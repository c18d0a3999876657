package apitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/awsapi"
	"drydock/awsapi/constraints"
)

// maxText bounds the length of what is sent to be too long, in runes or elements.
const maxText = 300_000

// serialization is the code of a value of a type that the member has not.
const serialization = "SerializationException"

// fault is a way for an input to be wrong in one place.
type fault struct {
	where string
	what  string
	code  string
	input map[string]any
}

// Violations sends to every operation of a JSON service each input that its model
// forbids, wrong in one place each time: what is required and missing, what is too
// short, too long, too small, too large, too few or too many, what does not match its
// pattern or is not in its set, and what has the wrong type. Each must be refused as the
// service refuses it. A good input must never be refused for its form, nor fail.
func Violations(t *testing.T, service string, operations []awsapi.Operation) {
	f := NewFront(t, service, operations)
	s := sampler{f.model}
	sent := 0
	for _, op := range operations {
		root := f.model.Operations[op.Name]
		good, err := s.value(root, op.Input(), 0)
		if err != nil {
			t.Errorf("%s: %v", op.Name, err)
			continue
		}
		if a := f.send(t, op.Name, good); a.Status >= 500 || a.Code == serialization || strings.Contains(a.Message, "Member must") {
			t.Errorf("%s: a good input %s: %+v", op.Name, marshalled(t, good), a)
		}
		for _, wrong := range s.faults(t, root, op.Input(), good.(map[string]any)) {
			sent++
			a := f.send(t, op.Name, wrong.input)
			if a.Status != http.StatusBadRequest || a.Code != wrong.code || a.Message == "" {
				t.Errorf("%s: %s %s: %+v, not %s", op.Name, wrong.where, wrong.what, a, wrong.code)
			}
			if wrong.code != serialization && !strings.Contains(a.Message, "failed to satisfy constraint") {
				t.Errorf("%s: %s %s: %s", op.Name, wrong.where, wrong.what, a.Message)
			}
		}
	}
	t.Logf("%d wrong inputs to %d operations", sent, len(operations))
	if sent < len(operations) {
		t.Error("hardly any input was found to be wrong")
	}
}

func (f *Front) send(t *testing.T, operation string, input any) Answer {
	t.Helper()
	return f.Post(t, operation, marshalled(t, input))
}

func marshalled(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// faults are the inputs that differ from a good one in one place.
func (s sampler) faults(t *testing.T, root string, input reflect.Type, good map[string]any) (list []fault) {
	t.Helper()
	var structure func(shape string, of reflect.Type, v map[string]any, at []string, above []string, whole func(any) map[string]any)
	var value func(shape string, of reflect.Type, at []string, above []string, whole func(any) map[string]any)
	add := func(at []string, what, code string, input map[string]any) {
		list = append(list, fault{strings.Join(at, "."), what, code, input})
	}
	value = func(shape string, of reflect.Type, at, above []string, whole func(any) map[string]any) {
		said := s.shape(shape)
		add(at, "of another type", serialization, whole(foreign(of)))
		for what, v := range s.wrong(said, of) {
			add(at, what, s.model.ValidationCode, whole(v))
		}
		if len(above) > maxDepth || shape != "" && slices.Contains(above, shape) {
			return
		}
		above = append(slices.Clone(above), shape)
		switch {
		case of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]():
			v, err := s.value(shape, of, 0)
			if err != nil {
				t.Errorf("%s: %v", strings.Join(at, "."), err)
				return
			}
			structure(shape, of, v.(map[string]any), at, above, whole)
		case of.Kind() == reflect.Slice && of.Elem().Kind() != reflect.Uint8:
			value(said.Member, behind(of.Elem()), append(slices.Clone(at), "0"), above, func(v any) map[string]any { return whole([]any{v}) })
		case of.Kind() == reflect.Map:
			key, err := s.text(said.Key)
			if err != nil {
				t.Errorf("%s: %v", strings.Join(at, "."), err)
				return
			}
			value(said.Value, behind(of.Elem()), append(slices.Clone(at), key), above, func(v any) map[string]any { return whole(map[string]any{key: v}) })
		}
	}
	structure = func(shape string, of reflect.Type, v map[string]any, at, above []string, whole func(any) map[string]any) {
		for _, m := range s.members(shape, of) {
			if m.field.Kind() == reflect.Interface {
				continue // a union, which no operation here takes
			}
			with := func(e any) map[string]any {
				c := maps.Clone(v)
				c[m.wire] = e
				return whole(c)
			}
			here := append(slices.Clone(at), m.wire)
			if m.required && !m.blank {
				c := maps.Clone(v)
				delete(c, m.wire)
				add(here, "missing", s.model.ValidationCode, whole(c))
			}
			value(m.shape, m.field, here, above, with)
		}
	}
	structure(root, input, good, nil, []string{root}, func(v any) map[string]any { return v.(map[string]any) })
	return list
}

// number reports whether a type's values are numbers or true and false.
func number(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		return true
	}
	return false
}

// foreign is a value that a type does not take.
func foreign(t reflect.Type) any {
	switch t.Kind() {
	case reflect.Struct:
		return []any{"x"}
	case reflect.Slice, reflect.Map:
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{}
		}
		return "x"
	}
	return map[string]any{"x": "y"}
}

// wrong are values that a shape forbids, by what is wrong with them.
func (s sampler) wrong(said constraints.Shape, t reflect.Type) map[string]any {
	all := map[string]any{}
	least, most := bounds(said)
	switch {
	case t.Kind() == reflect.String:
		if len(said.Enum) > 0 {
			all["not in its set"] = "no-such-value"
			return all
		}
		if least > 0 {
			all["too short"] = strings.Repeat("a", least-1)
		}
		if most >= 0 && most < maxText {
			all["too long"] = strings.Repeat("a", most+1)
		}
		if p := pattern(said); p != "" {
			if text, found := unlike(p, least, most); found {
				all["unlike its pattern"] = text
			}
		}
	case number(t) && t.Kind() != reflect.Bool:
		if said.Min != nil {
			all["too small"] = *said.Min - 1
		}
		if said.Max != nil && *said.Max < 1<<31-1 {
			all["too large"] = *said.Max + 1
		}
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8, t.Kind() == reflect.Map:
		few, many := least-1, most+1
		if least > 0 {
			all["too few"] = s.several(said, t, few)
		}
		if most >= 0 && most < maxText/8 {
			all["too many"] = s.several(said, t, many)
		}
		for what, v := range all {
			if v == nil {
				delete(all, what)
			}
		}
	}
	return all
}

// several are n good elements, nil where the sampler finds none.
func (s sampler) several(said constraints.Shape, t reflect.Type, n int) any {
	if t.Kind() == reflect.Map {
		m := map[string]any{}
		for i := range n {
			e, err := s.value(said.Value, behind(t.Elem()), 0)
			if err != nil {
				return nil
			}
			m[fmt.Sprintf("k%d", i)] = e
		}
		return m
	}
	list := []any{}
	for range n {
		e, err := s.value(said.Member, behind(t.Elem()), 0)
		if err != nil {
			return nil
		}
		list = append(list, e)
	}
	return list
}
