package enforce

import (
	"encoding/json"
	"maps"
	"slices"

	"drydock/auth/identity"
)

// message is a refusal in the form that sts:DecodeAuthorizationMessage gives.
//
// Source: AWS STS API Reference, DecodeAuthorizationMessage.
func message(d Decision) string {
	type statement struct {
		Policy string `json:"sourcePolicyId,omitempty"`
		Sid    string `json:"statementId,omitempty"`
	}
	type value struct {
		Value string `json:"value"`
	}
	type condition struct {
		Key    string `json:"key"`
		Values struct {
			Items []value `json:"items"`
		} `json:"values"`
	}
	var m struct {
		Allowed      bool `json:"allowed"`
		ExplicitDeny bool `json:"explicitDeny"`
		Matched      struct {
			Items []statement `json:"items"`
		} `json:"matchedStatements"`
		Context struct {
			Principal struct {
				ID  string `json:"id"`
				ARN string `json:"arn"`
			} `json:"principal"`
			Action     string `json:"action"`
			Resource   string `json:"resource"`
			Conditions struct {
				Items []condition `json:"items"`
			} `json:"conditions"`
		} `json:"context"`
	}
	m.Allowed, m.ExplicitDeny = d.Allowed, d.Reason.Explicit()
	m.Matched.Items = []statement{}
	if p := d.Deciding.Policy; p != nil {
		m.Matched.Items = append(m.Matched.Items, statement{p.Name, d.Deciding.Statement.Sid})
	}
	m.Context.Principal.ID, m.Context.Principal.ARN = d.Request.Principal.UserID, d.Request.Principal.ARN
	m.Context.Action, m.Context.Resource = d.Request.Action, d.Request.Resource
	m.Context.Conditions.Items = []condition{}
	asked := conditions(d)
	for _, key := range slices.Sorted(maps.Keys(asked)) {
		c := condition{Key: key}
		for _, v := range asked[key] {
			c.Values.Items = append(c.Values.Items, value{v})
		}
		m.Context.Conditions.Items = append(m.Context.Conditions.Items, c)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return "{}" // strings and booleans always encode
	}
	return string(text)
}

// conditions are the keys that a refused request had of its own, and where it came
// from. What else conditions may ask for is the caller's and the resource's, and
// not for whoever was refused.
func conditions(d Decision) map[string][]string {
	asked := maps.Clone(d.Request.Keys)
	if asked == nil {
		asked = map[string][]string{}
	}
	k := keys{request: d.Request, subject: new(identity.Subject), origin: d.Origin}
	for name, key := range map[string]string{
		"aws:CurrentTime": "aws:currenttime", "aws:RequestedRegion": "aws:requestedregion",
		"aws:SecureTransport": "aws:securetransport", "aws:SourceIp": "aws:sourceip",
	} {
		if v, ok := k.Values(key); ok {
			asked[name] = v
		}
	}
	return asked
}
