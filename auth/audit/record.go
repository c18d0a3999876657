package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"drydock/auth"
	"drydock/auth/policy"
	"drydock/internal/arn"
)

// Record is a decision in the shape of a CloudTrail record. What CloudTrail has
// no member for is in AdditionalEventData.
//
// Source: AWS CloudTrail User Guide, "CloudTrail record contents".
type Record struct {
	EventVersion        string       `json:"eventVersion"`
	UserIdentity        UserIdentity `json:"userIdentity"`
	EventTime           string       `json:"eventTime"`
	EventSource         string       `json:"eventSource"`
	EventName           string       `json:"eventName"`
	AWSRegion           string       `json:"awsRegion"`
	SourceIPAddress     string       `json:"sourceIPAddress"`
	UserAgent           string       `json:"userAgent"`
	ErrorCode           string       `json:"errorCode,omitempty"`
	ErrorMessage        string       `json:"errorMessage,omitempty"`
	RequestID           string       `json:"requestID"`
	EventID             string       `json:"eventID"`
	Resources           []Resource   `json:"resources,omitempty"`
	EventType           string       `json:"eventType"`
	RecipientAccountID  string       `json:"recipientAccountId"`
	AdditionalEventData Grounds      `json:"additionalEventData"`
}

// UserIdentity is who asked.
type UserIdentity struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	AccessKeyID string `json:"accessKeyId,omitempty"`
	UserName    string `json:"userName,omitempty"`
}

// Resource is what was acted upon.
type Resource struct {
	ARN       string `json:"ARN"`
	AccountID string `json:"accountId,omitempty"`
}

// Grounds say what was decided and why.
type Grounds struct {
	Decision  string `json:"decision"`
	Reason    string `json:"reason"`
	Policy    string `json:"policy,omitempty"`
	Statement string `json:"statement,omitempty"`
}

// Record works out the record of an entry.
func (e Entry) Record() Record {
	service, action, _ := strings.Cut(e.Request.Action, ":")
	id := sha256.Sum256(fmt.Appendf(nil, "%s %d", e.RequestID, e.Number))
	r := Record{
		EventVersion: "1.11", EventType: "AwsApiCall",
		UserIdentity: userIdentity(e.Request.Principal),
		EventTime:    e.Origin.At.UTC().Format(time.RFC3339),
		EventSource:  service + ".amazonaws.com", EventName: action, AWSRegion: e.Request.Region,
		UserAgent: e.Origin.UserAgent, RequestID: e.RequestID,
		EventID:             uuid(hex.EncodeToString(id[:16])),
		RecipientAccountID:  e.Request.ResourceAccount,
		AdditionalEventData: Grounds{Decision: "allowed", Reason: e.Reason.String()},
	}
	if e.Origin.Source.IsValid() {
		r.SourceIPAddress = e.Origin.Source.String()
	}
	if e.Request.Resource != "*" {
		r.Resources = []Resource{{ARN: e.Request.Resource, AccountID: e.Request.ResourceAccount}}
	}
	if !e.Allowed {
		r.AdditionalEventData.Decision = "denied"
		r.ErrorCode = "AccessDenied"
		r.ErrorMessage = (&auth.DeniedError{Request: e.Request, Because: e.Because(e.Request.Action)}).Error()
	}
	if p := e.Deciding.Policy; p != nil {
		r.AdditionalEventData.Policy = p.Name
		r.AdditionalEventData.Statement = label(e.Deciding.Statement)
	}
	return r
}

// label names a statement: by its Sid, else by its place in the document.
func label(s *policy.Statement) string {
	if s.Sid != "" {
		return s.Sid
	}
	return fmt.Sprintf("statement %d", s.Index+1)
}

// userIdentity tells the kind of a principal by its ARN.
func userIdentity(p auth.Principal) UserIdentity {
	u := UserIdentity{Type: "Unknown", PrincipalID: p.UserID, ARN: p.ARN, AccountID: p.Account, AccessKeyID: p.AccessKeyID}
	a, err := arn.Parse(p.ARN)
	if err != nil {
		return u
	}
	kind, name, _ := strings.Cut(a.Resource, "/")
	switch kind {
	case "root":
		u.Type = "Root"
	case "user":
		u.Type, u.UserName = "IAMUser", name[strings.LastIndexByte(name, '/')+1:]
	case "assumed-role":
		u.Type = "AssumedRole"
	case "federated-user":
		u.Type = "FederatedUser"
	case "oidc-provider":
		u.Type = "WebIdentityUser"
	}
	return u
}

func uuid(hex string) string {
	return hex[:8] + "-" + hex[8:12] + "-" + hex[12:16] + "-" + hex[16:20] + "-" + hex[20:]
}
