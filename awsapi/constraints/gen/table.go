package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"drydock/awsapi/constraints"
)

// table is what is written: the same as package constraints reads.
type table struct{ constraints.Facts }

// tabulate makes the table of a service. notes say what was changed and why.
func tabulate(s service, m *model) (*table, []string, error) {
	t := &table{constraints.Facts{
		SigningName:    first(m.Metadata.SigningName, m.Metadata.Endpoint),
		GlobalRegion:   s.region,
		Protocol:       m.Metadata.Protocol,
		TargetPrefix:   m.Metadata.TargetPrefix,
		Version:        m.Metadata.APIVersion,
		Namespace:      m.Metadata.XMLNamespace,
		ValidationCode: s.code,
		Style:          s.style,
		Operations:     map[string]string{},
		Exceptions:     map[string]constraints.Exception{},
		Spelling:       map[string]map[string]string{},
		Shapes:         map[string]constraints.Shape{},
	}}
	if t.Protocol == "json" && m.Metadata.JSONVersion != "1.1" || t.Protocol != "json" && t.Protocol != "query" {
		return nil, nil, fmt.Errorf("protocol %s %s is not one that drydock speaks", t.Protocol, m.Metadata.JSONVersion)
	}
	for name, sh := range m.Shapes {
		for _, mb := range append(sh.Members, member{"", sh.Member}, member{"", sh.Key}, member{"", sh.Value}) {
			if mb.LocationName != "" || sh.Flattened {
				return nil, nil, fmt.Errorf("shape %s is renamed or flattened on the wire, which the codecs do not know", name)
			}
		}
	}
	t.addExceptions(m)
	t.addSpelling(m)
	notes, err := t.addShapes(s, m)
	return t, notes, err
}

func first(s ...string) string {
	return s[slices.IndexFunc(s, func(s string) bool { return s != "" })]
}

func (t *table) addExceptions(m *model) {
	lower, upper := 0, 0
	for _, sh := range m.Shapes {
		for _, mb := range sh.Members {
			switch {
			case sh.Exception && mb.name == "message":
				lower++
			case sh.Exception && mb.name == "Message":
				upper++
			}
		}
	}
	t.MessageName = "message"
	if upper > lower {
		t.MessageName = "Message"
	}
	for name, sh := range m.Shapes {
		if !sh.Exception {
			continue
		}
		e := constraints.Exception{Status: sh.Error.Status, Fault: sh.Fault}
		for _, mb := range sh.Members {
			if strings.EqualFold(mb.name, "message") && mb.name != t.MessageName {
				e.Message = mb.name
			}
		}
		t.Exceptions[first(sh.Error.Code, name)] = e
	}
}

// addSpelling finds how the service writes the names of members, by the rule
// that most of them follow, and lists those that do not. The SDK's fields are the
// members with a capital, and its structs have the shapes' names, but for the
// inputs and outputs of operations.
func (t *table) addSpelling(m *model) {
	lower := 0
	for _, sh := range m.Shapes {
		for _, mb := range sh.Members {
			if unicode.IsLower(rune(mb.name[0])) {
				lower++
			} else {
				lower--
			}
		}
	}
	t.LowerCamel = lower > 0
	structs := map[string]string{}
	for name, sh := range m.Shapes {
		if sh.Type == "structure" && !sh.Exception {
			structs[capital(name)] = name
		}
	}
	for name, op := range m.Operations {
		structs[name+"Input"], structs[name+"Output"] = op.Input.Shape, op.Output.Shape
	}
	for goName, name := range structs {
		if name == "" {
			continue
		}
		for _, mb := range m.Shapes[name].Members {
			field := capital(mb.name)
			if t.Spell(goName, field) != mb.name {
				if t.Spelling[goName] == nil {
					t.Spelling[goName] = map[string]string{}
				}
				t.Spelling[goName][field] = mb.name
			}
		}
	}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// addShapes adds the operations and, of the shapes that their inputs lead to,
// those that say anything of a value.
func (t *table) addShapes(s service, m *model) ([]string, error) {
	matters := constrained(m)
	var notes []string
	var add func(name string) error
	add = func(name string) error {
		if _, done := t.Shapes[name]; done || !matters[name] {
			return nil
		}
		sh := m.Shapes[name]
		out := constraints.Shape{Type: sh.Type, Min: sh.Min, Max: sh.Max, Enum: sh.Enum, Sensitive: sh.Sensitive}
		note, err := setPattern(&out, s.patterns[name], sh.Pattern)
		if err != nil {
			return fmt.Errorf("shape %s: %w", name, err)
		}
		if note != "" {
			notes = append(notes, name+": "+note)
		}
		leads := []string{sh.Member.Shape, sh.Key.Shape, sh.Value.Shape}
		for _, mb := range sh.Members {
			required := slices.Contains(sh.Required, mb.name)
			if !required && !matters[mb.Shape] {
				continue
			}
			out.Members = append(out.Members, constraints.Member{Name: mb.name, Shape: only(matters, mb.Shape), Required: required})
			leads = append(leads, mb.Shape)
		}
		out.Member, out.Key, out.Value = only(matters, leads[0]), only(matters, leads[1]), only(matters, leads[2])
		t.Shapes[name] = out
		for _, l := range leads {
			if err := add(l); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(m.Operations)) {
		input := m.Operations[name].Input.Shape
		t.Operations[name] = only(matters, input)
		if out := m.Shapes[m.Operations[name].Output.Shape]; t.Protocol == "query" && out != nil && len(out.Members) == 0 {
			t.EmptyResults = append(t.EmptyResults, name)
		}
		if err := add(input); err != nil {
			return nil, err
		}
	}
	for name := range s.patterns {
		if _, used := t.Shapes[name]; !used {
			return nil, fmt.Errorf("services.go changes the pattern of %s, which is not in the model any more", name)
		}
	}
	return notes, nil
}

func only(matters map[string]bool, name string) string {
	if matters[name] {
		return name
	}
	return ""
}

// constrained finds the shapes that say something of a value, themselves or
// through what they are made of.
func constrained(m *model) map[string]bool {
	matters := map[string]bool{}
	for again := true; again; {
		again = false
		for name, sh := range m.Shapes {
			if matters[name] {
				continue
			}
			says := sh.Min != nil || sh.Max != nil || sh.Pattern != "" || sh.Enum != nil || sh.Required != nil ||
				matters[sh.Member.Shape] || matters[sh.Key.Shape] || matters[sh.Value.Shape] ||
				slices.ContainsFunc(sh.Members, func(mb member) bool { return matters[mb.Shape] })
			if says {
				matters[name], again = true, true
			}
		}
	}
	return matters
}

// codePoint is how models write a character by its number; Go writes it \x{…}. A
// fifth digit is sometimes meant to belong to it and sometimes not: a person has
// to look.
var (
	codePoint     = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)
	longCodePoint = regexp.MustCompile(`\\u[0-9A-Fa-f]{5}|\\u[dD][89a-fA-F]`)
)

// setPattern decides what is checked of a pattern, and what is printed.
func setPattern(out *constraints.Shape, change pattern, text string) (note string, err error) {
	if change.text != "" {
		text, note = change.text, change.reason
	}
	if text == "" {
		return "", nil
	}
	for _, id := range accountIDs {
		if strings.Contains(text, id) {
			text, note = strings.ReplaceAll(text, id, accountID), "account ids have 10 to 12 digits"
		}
	}
	out.Pattern, out.Compiled = text, change.compiled
	if out.Compiled == skip {
		out.Pattern, out.Compiled = "", ""
		return "not checked: " + change.reason, nil
	}
	if out.Compiled != "" {
		note = change.reason
	} else if codePoint.MatchString(text) && !longCodePoint.MatchString(text) {
		out.Compiled = codePoint.ReplaceAllString(text, `\x{$1}`)
	}
	if _, err := regexp.Compile(first(out.Compiled, text)); err != nil {
		return "", fmt.Errorf("Go cannot read its pattern, services.go must give it another: %w", err)
	}
	return note, nil
}

// lines encodes the table with one fact a line, so that a newer model shows as a
// small change.
func (t *table) lines() ([]byte, error) {
	raw, err := encode(t.Facts)
	if err != nil {
		return nil, err
	}
	order, err := keys(raw)
	if err != nil {
		return nil, err
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(raw, &top); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, key := range order {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "%q:", key)
		var inner map[string]json.RawMessage
		if json.Unmarshal(top[key], &inner) != nil || len(inner) == 0 {
			b.Write(top[key])
			continue
		}
		b.WriteString("{\n")
		for j, name := range slices.Sorted(maps.Keys(inner)) {
			if j > 0 {
				b.WriteString(",\n")
			}
			fmt.Fprintf(&b, "%q:%s", name, inner[name])
		}
		b.WriteString("\n}")
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}

// encode is json.Marshal without escaping <, > and &, which patterns hold.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}
