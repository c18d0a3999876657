// Package iamapi is the part of AWS's Identity and Access Management that exists
// here, over the identity records: users, groups, roles, policies, access keys
// and instance profiles, and the simulator of policies.
//
// Each operation is a method of Service over the structs of Amazon's own Go SDK,
// and beside it stands what it takes to be allowed to call it, with the condition
// keys that the Service Authorization Reference lists for it. The front (awsapi)
// has checked signature, permission and the constraints of the service model
// before an operation runs. Errors leave as the SDK's exception types, which
// exception (errors.go) makes of the records'.
//
// Source: https://docs.aws.amazon.com/IAM/latest/APIReference/ and
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
package iamapi

import (
	"context"
	"errors"
	"slices"
	"strings"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/awsapi"
)

// Service is the IAM API.
type Service struct {
	store      *identity.Store
	guardrails []policy.Attached
}

// Options is what a Service is made of. Only the store is needed.
type Options struct {
	Store *identity.Store
	// Guardrails are the policies set over all accounts of the server, which the
	// simulator takes into account as AWS's does an organization's.
	Guardrails []policy.Attached
}

// New makes the API. It is an error to leave out the store.
func New(o Options) (*Service, error) {
	if o.Store == nil {
		return nil, errors.New("the IAM API needs the identity records")
	}
	return &Service{store: o.Store, guardrails: o.Guardrails}, nil
}

// Operations are all operations of the API that exist here.
func (s *Service) Operations() []awsapi.Operation {
	all := slices.Concat(
		s.userOperations(), s.groupOperations(), s.roleOperations(), s.profileOperations(), s.keyOperations(),
		s.policyOperations(), s.versionOperations(), s.attachmentOperations(), s.holderOperations(),
		s.inlineOperations(), s.boundaryOperations(), s.taggingOperations(),
		s.accountOperations(), s.aliasOperations(), s.simulatorOperations(),
	)
	for i := range all {
		all[i] = all[i].After(s.fitForIAM)
	}
	return all
}

// caller is who calls.
func caller(ctx context.Context) auth.Principal { return awsapi.CallFrom(ctx).Principal }

// account is the account of the caller, which is the only one that IAM shows to
// anybody.
func account(ctx context.Context) string { return caller(ctx).Account }

// userOf is the name of the user that a principal is, or acts for with the
// credentials of GetSessionToken; "" when it is none.
func userOf(p auth.Principal) string {
	path, ok := strings.CutPrefix(p.ARN, "arn:aws:iam::"+p.Account+":user/")
	if !ok {
		return ""
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}

// ownUser is the user that an operation means which takes no name for the caller:
// "" when the caller is the root of the account.
func ownUser(ctx context.Context, name *string) (string, error) {
	if name != nil {
		return *name, nil
	}
	p := caller(ctx)
	own := userOf(p)
	if own == "" && !p.IsRoot() {
		return "", invalidParameter("Must specify userName when calling with non-User credentials")
	}
	return own, nil
}

// deref is what p points at, the zero value when it points nowhere.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// text points at s, and nowhere when s is empty: absent members are not sent.
func text[S ~string](s S) *string {
	if s == "" {
		return nil
	}
	t := string(s)
	return &t
}

// to points at v.
func to[T any](v T) *T { return &v }

// each makes one list of another; it is empty, not absent, when there is nothing.
func each[T, U any](from []T, describe func(T) U) []U {
	out := make([]U, 0, len(from))
	for _, v := range from {
		out = append(out, describe(v))
	}
	return out
}
