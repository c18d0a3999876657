package query

import "strings"

// Subject is what a comparison is about.
type Subject int

// The subjects of the language.
const (
	AgentConnected Subject = iota
	AgentVersion
	EC2InstanceID
	RegisteredAt
	RunningTasksCount
	TaskGroup
	Attribute
)

const attributePrefix = "attribute:"

// spelling has the subjects as they are written, in the order of the constants.
// The case of letters matters, as it does for attribute names.
var spelling = [...]string{
	"agentConnected", "agentVersion", "ec2InstanceId", "registeredAt", "runningTasksCount", "task:group",
	attributePrefix + "NAME",
}

// operators are what the guide allows for each subject, in its order. It lists
// none for groups and attributes, so all of them are.
func (s Subject) operators() []Operator {
	switch s {
	case AgentConnected, EC2InstanceID:
		return []Operator{Equals, NotEquals, In, NotIn, Matches, NotMatches}
	case AgentVersion, RegisteredAt, RunningTasksCount:
		return []Operator{Equals, NotEquals, Greater, GreaterEqual, Less, LessEqual}
	}
	return []Operator{
		Equals, NotEquals, Greater, GreaterEqual, Less, LessEqual, Exists, NotExists, In, NotIn, Matches, NotMatches,
	}
}

// subjectOf finds the subject of that spelling, and the name of the attribute
// where it is one.
func subjectOf(word string) (s Subject, name string, ok bool) {
	if name, found := strings.CutPrefix(word, attributePrefix); found {
		return Attribute, name, true
	}
	for i, known := range spelling {
		if word == known && Subject(i) != Attribute {
			return Subject(i), "", true
		}
	}
	return 0, "", false
}

// maxName is the longest name that PutAttributes takes.
const maxName = 128

// isName reports whether the character may be part of an attribute's name.
func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(`-_/\.`, c) >= 0
}
