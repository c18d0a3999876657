package constraints

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// The sentences of AWS's services, as their refusals print them.
const (
	notNull    = "Member must not be null"
	mustMatch  = "Member must satisfy regular expression pattern: "
	mustLength = "Member must have length "
	mustValue  = "Member must have value "
	atMost     = "less than or equal to "
	atLeast    = "greater than or equal to "
)

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func (n *node) mustBeOneOf() string {
	return "Member must satisfy enum value set: [" + strings.Join(n.enum, ", ") + "]"
}

// all lists every constraint of a list's element: AWS names them all when one is
// broken.
func (n *node) all() (out []string) {
	what := mustLength
	if n.kind != reflect.String {
		what = mustValue
	}
	if n.max != nil {
		out = append(out, what+atMost+number(*n.max))
	}
	if n.min != nil {
		out = append(out, what+atLeast+number(*n.min))
	}
	if n.pattern != "" {
		out = append(out, mustMatch+n.pattern)
	}
	if n.enum != nil {
		out = append(out, n.mustBeOneOf())
	}
	return out
}

// show renders a value for a message, with the blank before it; nothing where it
// is secret, bulky or has no short form.
func (n *node) show(v reflect.Value) string {
	const most = 1024
	if n.hidden || n.blob || n.elem != nil && (n.elem.hidden || nested(n.elem)) || n.kind == reflect.Map {
		return ""
	}
	var s string
	switch v.Kind() {
	case reflect.String:
		s = v.String()
	case reflect.Slice:
		if e := v.Type().Elem().Kind(); e == reflect.Struct || e == reflect.Pointer {
			return ""
		}
		items := make([]string, 0, min(v.Len(), most))
		for i := range min(v.Len(), most) {
			items = append(items, fmt.Sprint(v.Index(i).Interface()))
		}
		s = "[" + strings.Join(items, ", ") + "]"
	default:
		s = fmt.Sprint(v.Interface())
	}
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return " '" + s + "'"
}

// Violation is one thing that is wrong with an input.
type Violation struct {
	at, shape, value, constraint string
	// element is the constraint that an element of a list breaks, where the
	// list is what is reported.
	element string
	inList  bool
}

// Explain words what is wrong with an input as the service does. There must be
// at least one violation.
func (m *Model) Explain(v []Violation) string {
	switch m.Style {
	case "ecr":
		return ecrMessage(v[0])
	case "iam":
		return iamMessage(v)
	}
	return coralMessage(v)
}

// coralMessage counts everything that is wrong: the words of AWS's common server
// framework.
func coralMessage(v []Violation) string {
	var b strings.Builder
	plural := "s"
	if len(v) == 1 {
		plural = ""
	}
	fmt.Fprintf(&b, "%d validation error%s detected: ", len(v), plural)
	for i, one := range v {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "Value%s at '%s' failed to satisfy constraint: %s", one.value, one.at, one.constraint)
	}
	return b.String()
}

// ecrNames are the parameters that ECR checks by hand, with words of its own and
// by their plain name wherever in the input they stand.
var ecrNames = map[string]string{
	"RepositoryName": "repositoryName",
	"RegistryId":     "registryId",
	"ImageTag":       "imageTag",
	"ImageDigest":    "imageDigest",
	"LayerDigest":    "layerDigest",
}

// ecrMessage words the first thing that is wrong, as ECR does. The words are
// those of real refusals: 'must have length greater than or equal to 2' of a
// repositoryName, 'Member must have length less than or equal to 100' of
// imageIds.
func ecrMessage(v Violation) string {
	at, c := v.at, v.constraint
	name, own := ecrNames[v.shape]
	// A list of registry ids is left to the framework, a list of repository
	// names is not.
	if own && !(v.inList && v.shape == "RegistryId") {
		at = name
		if v.element != "" {
			c = v.element
		}
		if p, ok := strings.CutPrefix(c, mustMatch); ok {
			c = "must satisfy regular expression '" + p + "'"
		}
		c = strings.TrimPrefix(c, "Member ")
	}
	return fmt.Sprintf("Invalid parameter at '%s' failed to satisfy constraint: '%s'", at, c)
}

// iamRules are the patterns that IAM checks by hand, after the framework has
// found nothing, with what its refusals say of them: "The specified value for
// roleName is invalid. It must contain only …".
var iamRules = map[string]string{
	mustMatch + `[\w+=,.@-]+`:                             "It must contain only alphanumeric characters and/or the following: +=,.@_-",
	mustMatch + `(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`: "It must begin and end with / and contain only alphanumeric characters and/or / characters.",
	mustMatch + `((/[A-Za-z0-9\.,\+@=_-]+)*)/`:            "It must begin and end with / and contain only alphanumeric characters and/or / characters.",
	mustMatch + `\u002F[\u0021-\u007F]*`:                  "It must begin with the / character and contain only alphanumeric characters and/or / characters.",
}

// iamMessage words what is wrong as IAM does: as the framework, but for the names
// and paths that it looks at itself.
func iamMessage(v []Violation) string {
	byHand := func(one Violation) bool { return iamRules[one.constraint] != "" }
	if left := slices.DeleteFunc(slices.Clone(v), byHand); len(left) > 0 {
		return coralMessage(left)
	}
	return fmt.Sprintf("The specified value for %s is invalid. %s", v[0].at, iamRules[v[0].constraint])
}
