package enforce

import (
	"strconv"
	"strings"
	"time"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/policy"
)

// keys are the condition keys of one request. They are made when a policy asks.
//
// Source: IAM User Guide, "AWS global condition context keys".
type keys struct {
	request auth.Request
	subject *identity.Subject
	origin  *auth.Origin
	tags    map[string]string
}

var _ policy.Keys = (*keys)(nil)

// Values implements policy.Keys.
func (k *keys) Values(key string) ([]string, bool) {
	if v, ok := k.request.Keys[key]; ok {
		return v, true
	}
	if v, ok := k.tag(key); ok {
		return v, true
	}
	s := k.subject
	switch key {
	case "aws:principalarn":
		if s.Kind == policy.AssumedRole {
			return some(s.RoleARN)
		}
		return some(s.ARN)
	case "aws:principalaccount":
		return some(s.Account)
	case "aws:principaltype":
		return some(principalType(s.Kind))
	case "aws:principalisawsservice":
		return some(strconv.FormatBool(s.Kind == policy.Service))
	case "aws:viaawsservice":
		return some("false")
	case "aws:userid":
		return some(s.UserID)
	case "aws:username":
		return some(s.UserName)
	case "aws:sourceidentity":
		return some(s.SourceIdentity)
	case "aws:federatedprovider":
		return some(s.FederatedProvider)
	case "aws:tokenissuetime":
		if s.Temporary() {
			return some(s.IssuedAt.UTC().Format(time.RFC3339))
		}
	case "aws:sourceip":
		if a := k.origin.Source; a.IsValid() {
			return some(a.String())
		}
	case "aws:securetransport":
		return some(strconv.FormatBool(k.origin.Secure))
	case "aws:useragent":
		return some(k.origin.UserAgent)
	case "aws:currenttime":
		if !k.origin.At.IsZero() {
			return some(k.origin.At.UTC().Format(time.RFC3339))
		}
	case "aws:epochtime":
		if !k.origin.At.IsZero() {
			return some(strconv.FormatInt(k.origin.At.Unix(), 10))
		}
	case "aws:requestedregion":
		return some(k.request.Region)
	case "aws:resourceaccount":
		return some(k.request.ResourceAccount)
	}
	return nil, false
}

// tag finds the tags of caller and resource. Which service's name a resource tag
// is asked under makes no difference, as long as it is the resource's.
func (k *keys) tag(key string) ([]string, bool) {
	space, name, ok := strings.Cut(key, "/")
	if !ok {
		return nil, false
	}
	var tags map[string]string
	switch service, kind, _ := strings.Cut(space, ":"); {
	case space == "aws:principaltag":
		tags = k.subject.Tags
	case kind == "resourcetag" && (service == "aws" || strings.HasPrefix(k.request.Action, service+":")):
		tags = k.tags
	default:
		return nil, false
	}
	// The keys of tags are asked for in lower case. Of two that differ in case
	// only, there is no telling which one is meant: then neither is there.
	var found []string
	for tag, value := range tags {
		if strings.EqualFold(tag, name) {
			found = append(found, value)
		}
	}
	if len(found) != 1 {
		return nil, false
	}
	return found, true
}

func some(value string) ([]string, bool) {
	if value == "" {
		return nil, false
	}
	return []string{value}, true
}

// principalType is the value of aws:PrincipalType.
func principalType(k policy.SubjectKind) string {
	switch k {
	case policy.Root:
		return "Account"
	case policy.User:
		return "User"
	case policy.AssumedRole:
		return "AssumedRole"
	case policy.FederatedUser:
		return "FederatedUser"
	}
	return "Anonymous"
}
