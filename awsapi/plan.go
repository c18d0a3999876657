package awsapi

import (
	"fmt"
	"reflect"
	"sync"
	"time"
)

// form is what a value is on the wire.
type form int

const (
	structure form = iota + 1
	list
	mapping
	text
	boolean
	integer
	decimal
	timestamp
	blob
	// foreign is what the SDK has an interface for: unions and documents. A
	// request that holds one is refused, and no operation here answers any.
	foreign
)

// plan is all that the codecs need to know of a Go type, found out once.
type plan struct {
	form   form
	typ    reflect.Type // behind a pointer
	fields []planField  // of a structure
	byName map[string]int
	elem   *plan // of a list or a mapping
}

type planField struct {
	name  string // on the wire
	goes  string // in Go
	index int
	plan  *plan
}

// planner makes the plans of one service, which spells members in its own way.
type planner struct {
	spell func(structName, field string) string
	mu    sync.Mutex
	done  map[reflect.Type]*plan
}

// plan returns the plan of a type. Errors: the type holds something that none of
// the protocols can carry.
func (p *planner) plan(t reflect.Type) (*plan, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.make(t)
}

func (p *planner) make(t reflect.Type) (*plan, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if known, ok := p.done[t]; ok {
		return known, nil
	}
	n := &plan{typ: t}
	p.done[t] = n
	var err error
	switch {
	case t == reflect.TypeFor[time.Time]():
		n.form = timestamp
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		n.form = blob
	case t.Kind() == reflect.Struct:
		n.form = structure
		err = p.addFields(n)
	case t.Kind() == reflect.Slice:
		n.form = list
		n.elem, err = p.make(t.Elem())
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		n.form = mapping
		n.elem, err = p.make(t.Elem())
	case t.Kind() == reflect.String:
		n.form = text
	case t.Kind() == reflect.Bool:
		n.form = boolean
	case t.Kind() == reflect.Int32, t.Kind() == reflect.Int64:
		n.form = integer
	case t.Kind() == reflect.Float32, t.Kind() == reflect.Float64:
		n.form = decimal
	case t.Kind() == reflect.Interface:
		n.form = foreign
	default:
		err = fmt.Errorf("a %s has no form on the wire", t)
	}
	if err != nil {
		delete(p.done, t)
		return nil, err
	}
	return n, nil
}

// addFields adds the members of a structure: its exported fields but for the two
// that the SDK adds for its own use.
func (p *planner) addFields(n *plan) error {
	n.byName = map[string]int{}
	for i := range n.typ.NumField() {
		f := n.typ.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" || f.Name == "ErrorCodeOverride" {
			continue
		}
		inner, err := p.make(f.Type)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", n.typ.Name(), f.Name, err)
		}
		name := p.spell(n.typ.Name(), f.Name)
		n.byName[name] = len(n.fields)
		n.fields = append(n.fields, planField{name, f.Name, i, inner})
	}
	return nil
}

// settle returns the value behind a pointer, which it makes where there is none.
func settle(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}

// present returns the value behind a pointer, and whether it is to be sent. An
// enum, which the SDK has no pointer for, is absent when it is empty.
func present(v reflect.Value) (reflect.Value, bool) {
	switch v.Kind() {
	case reflect.Pointer:
		return v.Elem(), !v.IsNil()
	case reflect.Slice, reflect.Map:
		return v, !v.IsNil()
	case reflect.String:
		return v, v.Len() > 0
	case reflect.Interface:
		return v, false
	}
	return v, true
}
