package constraints

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Facts is what a table says of a service. The generator writes it; nothing here
// is worded by hand.
type Facts struct {
	// SigningName is the service in the scope of a signature.
	SigningName string `json:"signingName"`
	// GlobalRegion is the region of a service that has no others, whatever
	// region its requests are signed for.
	GlobalRegion string `json:"globalRegion,omitempty"`
	// Protocol is json, for awsJson1.1, or query.
	Protocol string `json:"protocol"`
	// TargetPrefix precedes the operation in X-Amz-Target.
	TargetPrefix string `json:"targetPrefix,omitempty"`
	// Version is the Version parameter of the query protocol.
	Version string `json:"version"`
	// Namespace is the XML namespace of the query protocol's answers.
	Namespace string `json:"namespace,omitempty"`
	// LowerCamel says that members are written repositoryName, not
	// RepositoryName.
	LowerCamel bool `json:"lowerCamel,omitempty"`
	// MessageName is how most exceptions spell their message.
	MessageName string `json:"message"`
	// ValidationCode is the error code of an invalid parameter.
	ValidationCode string `json:"validationCode"`
	// Style is the way in which the service words one.
	Style string `json:"style"`
	// Operations holds every operation of the service with the shape of its
	// input, "" where nothing can be wrong with it.
	Operations map[string]string `json:"operations"`
	// EmptyResults are the operations of the query protocol that answer a
	// result with nothing in it; others that have nothing to answer leave the
	// result out.
	EmptyResults []string `json:"emptyResults,omitempty"`
	// Exceptions holds the errors of the service by their code.
	Exceptions map[string]Exception `json:"exceptions"`
	// Spelling holds the members that do not follow LowerCamel: by the SDK's
	// struct and field, the name on the wire.
	Spelling map[string]map[string]string `json:"spelling,omitempty"`
	// Shapes holds the shapes that say something of a value.
	Shapes map[string]Shape `json:"shapes"`
}

// Exception is what a model says of an error.
type Exception struct {
	// Status is the HTTP status, 0 where the model says none.
	Status int `json:"status,omitempty"`
	// Fault says that the server is to blame.
	Fault bool `json:"fault,omitempty"`
	// Message is how the exception spells its message, where not as most do.
	Message string `json:"message,omitempty"`
}

// Shape is what a model says of a value.
type Shape struct {
	Type string `json:"type"`
	// Min and Max bound the length of a string, list, map or blob, and the
	// value of a number.
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
	// Pattern is what the whole value must match, as it is shown; Compiled is
	// the same for Go, where it has to be written otherwise.
	Pattern  string   `json:"pattern,omitempty"`
	Compiled string   `json:"compiled,omitempty"`
	Enum     []string `json:"enum,omitempty"`
	// Sensitive values are not repeated in errors.
	Sensitive bool `json:"sensitive,omitempty"`
	// Members are a structure's, Member is a list's, Key and Value a map's;
	// only those of which something is said.
	Members []Member `json:"members,omitempty"`
	Member  string   `json:"member,omitempty"`
	Key     string   `json:"key,omitempty"`
	Value   string   `json:"value,omitempty"`
}

// Member is a member of a structure. It is written "name:Shape", with a ! behind
// it when it is required; the shape is missing where nothing is said of it.
type Member struct {
	Name, Shape string
	Required    bool
}

// MarshalText implements encoding.TextMarshaler.
func (m Member) MarshalText() ([]byte, error) {
	s := m.Name
	if m.Shape != "" {
		s += ":" + m.Shape
	}
	if m.Required {
		s += "!"
	}
	return []byte(s), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Member) UnmarshalText(b []byte) error {
	var s string
	s, m.Required = strings.CutSuffix(string(b), "!")
	m.Name, m.Shape, _ = strings.Cut(s, ":")
	if m.Name == "" {
		return fmt.Errorf("member %q has no name", b)
	}
	return nil
}

// Spell returns how a field of one of the SDK's structs is written on the wire.
func (f *Facts) Spell(structName, field string) string {
	if s, ok := f.Spelling[structName][field]; ok {
		return s
	}
	if f.LowerCamel {
		return strings.ToLower(field[:1]) + field[1:]
	}
	return field
}

// parse reads a table.
func parse(b []byte) (*Facts, error) {
	f := new(Facts)
	if err := json.Unmarshal(b, f); err != nil {
		return nil, err
	}
	return f, nil
}
