package query

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Leaf is one comparison of an expression.
type Leaf struct {
	subject Subject
	name    string
	op      Operator

	values  []string
	pattern *regexp.Regexp
	version Version
	time    time.Time
	number  int
}

// Subject is what the comparison is about.
func (l *Leaf) Subject() Subject { return l.subject }

// Name is the attribute's, when the subject is Attribute.
func (l *Leaf) Name() string { return l.name }

// Text answers a comparison of text: an attribute, a group, the instance's EC2
// id, or whether its agent is connected ("true", "false").
//
// Where there is no such thing only not_exists holds: attribute:stack != prod
// does not select the instances that have no stack, and not (attribute:stack ==
// prod) does. Whether one text is greater than another is decided by their
// numbers if both are numbers, and otherwise by their bytes.
func (l *Leaf) Text(value string, exists bool) bool {
	switch l.op {
	case Exists:
		return exists
	case NotExists:
		return !exists
	}
	if !exists {
		return false
	}
	switch l.op {
	case In:
		return slices.Contains(l.values, value)
	case NotIn:
		return !slices.Contains(l.values, value)
	case Matches:
		return l.pattern.MatchString(value)
	case NotMatches:
		return !l.pattern.MatchString(value)
	case Equals:
		return value == l.values[0]
	case NotEquals:
		return value != l.values[0]
	}
	return l.op.ordered(compareText(value, l.values[0]))
}

// Absent answers a comparison about groups for an instance that has no tasks.
func (l *Leaf) Absent() bool { return l.op == NotExists }

// compareText orders what the guide calls greater and less without saying of
// what: an attribute's value is text, though often that of a number.
func compareText(a, b string) int {
	x, errA := strconv.ParseFloat(a, 64)
	y, errB := strconv.ParseFloat(b, 64)
	if errA == nil && errB == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

// Version answers a comparison of agentVersion. An agent that told none is not
// selected by any.
func (l *Leaf) Version(v Version, known bool) bool {
	return known && l.op.ordered(v.Compare(l.version))
}

// Time answers a comparison of registeredAt, to the second.
func (l *Leaf) Time(t time.Time) bool {
	return l.op.ordered(t.Truncate(time.Second).Compare(l.time))
}

// Number answers a comparison of runningTasksCount.
func (l *Leaf) Number(n int) bool { return l.op.ordered(cmp.Compare(n, l.number)) }

// match answers the comparison for an instance as it stands.
func (l *Leaf) match(i *Instance) bool {
	switch l.subject {
	case AgentConnected:
		return l.Text(strconv.FormatBool(i.AgentConnected), true)
	case AgentVersion:
		v, ok := ParseVersion(i.AgentVersion)
		return l.Version(v, ok)
	case EC2InstanceID:
		return l.Text(i.EC2InstanceID, i.EC2InstanceID != "")
	case RegisteredAt:
		return l.Time(i.RegisteredAt)
	case RunningTasksCount:
		return l.Number(i.RunningTasksCount)
	case TaskGroup:
		return l.groups(i.Groups)
	}
	value, ok := i.Attributes[l.name]
	return l.Text(value, ok)
}

// groups answers a comparison of task:group: it holds if it does for the group of
// some task of the instance. So task:group != database selects the instances
// that run something other than the database, and not (task:group == database)
// those that do not run it, which is how the guide writes anti-affinity.
func (l *Leaf) groups(groups []string) bool {
	if len(groups) == 0 {
		return l.Absent()
	}
	return slices.ContainsFunc(groups, func(g string) bool { return l.Text(g, true) })
}
