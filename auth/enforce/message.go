package enforce

import "encoding/json"

// message is a refusal in the form that sts:DecodeAuthorizationMessage gives.
//
// Source: AWS STS API Reference, DecodeAuthorizationMessage.
func message(d Decision) string {
	type statement struct {
		Policy string `json:"sourcePolicyId,omitempty"`
		Sid    string `json:"statementId,omitempty"`
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
			Action   string `json:"action"`
			Resource string `json:"resource"`
		} `json:"context"`
	}
	m.Allowed, m.ExplicitDeny = d.Allowed, d.Reason.Explicit()
	m.Matched.Items = []statement{}
	if p := d.Deciding.Policy; p != nil {
		m.Matched.Items = append(m.Matched.Items, statement{p.Name, d.Deciding.Statement.Sid})
	}
	m.Context.Principal.ID, m.Context.Principal.ARN = d.Request.Principal.UserID, d.Request.Principal.ARN
	m.Context.Action, m.Context.Resource = d.Request.Action, d.Request.Resource
	text, err := json.Marshal(m)
	if err != nil {
		return "{}" // strings and booleans always encode
	}
	return string(text)
}
