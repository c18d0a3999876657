package policy

import "strings"

// request is a query made ready for testing statements against it.
type request struct {
	subject *Subject
	// service and name are the two halves of the action, lower-cased.
	service, name string
	resource      string
	arn           arnParts
	keys          Keys
	// missed, when not nil, collects the keys that were asked for in vain.
	missed func(name string)
}

// prepare fills r from a query.
func (r *request) prepare(q *Query) {
	r.subject = q.Subject
	r.service, r.name, _ = strings.Cut(strings.ToLower(q.Action), ":")
	r.resource = q.Resource
	r.arn, _ = splitARN(q.Resource, false)
	r.keys = q.Keys
	if r.keys == nil {
		r.keys = NoKeys{}
	}
}

// values are the request's values of a key; none means that it lacks the key.
func (r *request) values(name, key string) []string {
	values, ok := r.keys.Values(key)
	if !ok || len(values) == 0 {
		if r.missed != nil {
			r.missed(name)
		}
		return nil
	}
	return values
}

// arnParts are the six components of an ARN: "arn", partition, service, region,
// account, resource. Colons after the fifth belong to the resource.
type arnParts [6]string

// splitARN splits an ARN, or a pattern of one, at its first five colons; with
// variables, those within ${…} do not count. It reports how many parts there
// are; the last of them holds the rest.
func splitARN(s string, variables bool) (parts arnParts, n int) {
	start, inVariable := 0, false
	for i := 0; i < len(s) && n < len(parts)-1; i++ {
		switch c := s[i]; {
		case variables && c == '$' && i+1 < len(s) && s[i+1] == '{':
			inVariable = true
		case c == '}':
			inVariable = false
		case c == ':' && !inVariable:
			parts[n] = s[start:i]
			n, start = n+1, i+1
		}
	}
	parts[n] = s[start:]
	return parts, n + 1
}
