package apitest

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"time"

	"drydock/awsapi/constraints"
)

// maxDepth is how deep samples go: shapes may contain themselves.
const maxDepth = 8

// sampler makes inputs as a model wants them.
type sampler struct{ model *constraints.Model }

// shape is what the model says of a name, which is nothing of "".
func (s sampler) shape(name string) constraints.Shape { return s.model.Shapes[name] }

// member is a member of a structure: the struct's field, its name on the wire, and what
// the model says of it.
type member struct {
	wire     string
	shape    string
	required bool
	field    reflect.Type
	// blank says that absence and zero are one in the SDK's struct, so that the member
	// is never missed.
	blank bool
}

// members are those of a structure that a client can send.
func (s sampler) members(shape string, t reflect.Type) (list []member) {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		m := member{wire: s.model.Spell(t.Name(), f.Name), field: behind(f.Type), blank: number(f.Type)}
		for _, said := range s.shape(shape).Members {
			if strings.EqualFold(said.Name, f.Name) {
				m.shape, m.required = said.Shape, said.Required
			}
		}
		list = append(list, m)
	}
	return list
}

// behind is the type that a pointer points to.
func behind(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// bounds are those of a shape, in whole numbers; most is -1 where there is none.
func bounds(s constraints.Shape) (least, most int) {
	most = -1
	if s.Min != nil {
		least = int(*s.Min)
	}
	if s.Max != nil {
		most = int(min(*s.Max, 1<<31))
	}
	return least, most
}

// value is a good value of a shape, with only the members that are required. Errors:
// there is none that the sampler can find.
func (s sampler) value(shape string, t reflect.Type, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("shape %s is too deep", shape)
	}
	said := s.shape(shape)
	least, most := bounds(said)
	switch t.Kind() {
	case reflect.String:
		return s.text(shape)
	case reflect.Bool:
		return true, nil
	case reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		if least <= 1 && (most < 0 || most >= 1) {
			return 1, nil
		}
		return least, nil
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return 1_700_000_000, nil
		}
		v := map[string]any{}
		for _, m := range s.members(shape, t) {
			if !m.required {
				continue
			}
			var err error
			if v[m.wire], err = s.value(m.shape, m.field, depth+1); err != nil {
				return nil, fmt.Errorf("%s: %w", m.wire, err)
			}
		}
		return v, nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return base64.StdEncoding.EncodeToString(make([]byte, max(least, 1))), nil
		}
		list := []any{}
		for range max(least, 1) {
			e, err := s.value(said.Member, behind(t.Elem()), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		return list, nil
	case reflect.Map:
		k, err := s.text(said.Key)
		if err != nil {
			return nil, err
		}
		e, err := s.value(said.Value, behind(t.Elem()), depth+1)
		return map[string]any{k: e}, err
	}
	return nil, fmt.Errorf("a %s is not sampled", t)
}

func (s sampler) text(shape string) (string, error) {
	said := s.shape(shape)
	if len(said.Enum) > 0 {
		return said.Enum[0], nil
	}
	least, most := bounds(said)
	if pattern := pattern(said); pattern != "" {
		if text, found := matching(pattern, max(least, 1), most); found {
			return text, nil
		}
		return "", fmt.Errorf("no text of shape %s was found that %s takes", shape, pattern)
	}
	return strings.Repeat("a", max(least, 1)), nil
}

// pattern is that of a shape, as Go reads it.
func pattern(s constraints.Shape) string {
	if s.Compiled != "" {
		return s.Compiled
	}
	return s.Pattern
}
