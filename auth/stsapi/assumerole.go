package stsapi

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/awsapi"
	"drydock/internal/arn"
)

// Sessions of roles last an hour unless they are asked for longer, and those that
// are made from temporary credentials never longer.
const (
	usualRoleSession = time.Hour
	maxChained       = time.Hour
)

// noMFA is what is said to a code of a device: nobody has one here.
const noMFA = "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."

// AssumeRole makes a session of a role.
func (s *Service) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	subject, t, err := s.assumption(ctx, in)
	if err != nil {
		return nil, err
	}
	lifetime := seconds(in.DurationSeconds, usualRoleSession)
	if subject.Temporary() && lifetime > maxChained {
		return nil, invalidParameter("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	made, err := s.enter(ctx, entry{*in.RoleArn, *in.RoleSessionName, lifetime, in.MinimumSessionTokenSize, t.Terms})
	if err != nil {
		return nil, err
	}
	out := &sts.AssumeRoleOutput{AssumedRoleUser: assumed(made.Principal), Credentials: shown(made)}
	//lint:ignore SA1019 clients older than its replacement read it
	out.PackedPolicySize = t.packedSize()
	out.SessionTokenSize, out.SessionTokenUtilization = tokenUse(made)
	if t.SourceIdentity != "" {
		out.SourceIdentity = &t.SourceIdentity
	}
	return out, nil
}

// entry is a session of a role to be made.
type entry struct {
	role, name string
	lifetime   time.Duration
	// tokenSize is what is asked for in MinimumSessionTokenSize.
	tokenSize *int32
	terms     identity.Terms
}

// enter makes a session of a role for somebody who may have it.
func (s *Service) enter(ctx context.Context, e entry) (identity.Credentials, error) {
	size, err := tokenSize(e.tokenSize)
	if err != nil {
		return identity.Credentials{}, err
	}
	role, err := s.store.RoleByARN(ctx, e.role)
	if err != nil {
		// Deleted since permission was given.
		return identity.Credentials{}, refuse("Not authorized to assume " + e.role)
	}
	if e.lifetime > role.MaxSession {
		return identity.Credentials{}, invalidParameter("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	made, err := s.store.CreateSession(ctx, identity.NewSession{Role: e.role, Name: e.name, Lifetime: e.lifetime, TokenSize: size, Terms: e.terms})
	if err != nil {
		return identity.Credentials{}, exception(err)
	}
	return made, nil
}

func assumed(p auth.Principal) *types.AssumedRoleUser {
	return &types.AssumedRoleUser{Arn: &p.ARN, AssumedRoleId: &p.UserID}
}

// assumption reads a request for a role: who asks, and for what terms.
func (s *Service) assumption(ctx context.Context, in *sts.AssumeRoleInput) (*identity.Subject, terms, error) {
	subject, err := s.store.Subject(ctx, caller(ctx).AccessKeyID)
	if err != nil {
		return nil, terms{}, exception(err)
	}
	if err := checkRole(*in.RoleArn); err != nil {
		return nil, terms{}, err
	}
	switch {
	case subject.Kind == policy.Root:
		return nil, terms{}, refuse("Roles may not be assumed by root accounts.")
	case subject.Kind == policy.FederatedUser:
		return nil, terms{}, refuse("Cannot call AssumeRole with the credentials of a federated user")
	case in.SerialNumber != nil || in.TokenCode != nil:
		return nil, terms{}, refuse(noMFA)
	case len(in.ProvidedContexts) > 0:
		return nil, terms{}, invalidParameter("drydock does not take ProvidedContexts")
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, terms{}, err
	}
	t, err := request{in.Policy, in.PolicyArns, tags, in.TransitiveTagKeys, subject.Transitive}.terms()
	if err != nil {
		return nil, terms{}, err
	}
	t.SourceIdentity = subject.SourceIdentity
	if asked := in.SourceIdentity; asked != nil {
		if t.SourceIdentity != "" && *asked != t.SourceIdentity {
			return nil, terms{}, refuse("The source identity of a session cannot be changed")
		}
		t.SourceIdentity = *asked
	}
	return subject, t, nil
}

// needsToAssume are the permissions that assuming a role takes: the role's trust
// policy has a say in each.
func (s *Service) needsToAssume(ctx context.Context, in *sts.AssumeRoleInput) ([]awsapi.Need, error) {
	_, t, err := s.assumption(ctx, in)
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{"sts:rolesessionname": {*in.RoleSessionName}}
	if in.ExternalId != nil {
		keys["sts:externalid"] = []string{*in.ExternalId}
	}
	if in.DurationSeconds != nil {
		keys["sts:durationseconds"] = []string{strconv.Itoa(int(*in.DurationSeconds))}
	}
	return roleNeeds("sts:AssumeRole", *in.RoleArn, t, keys), nil
}

// roleNeeds are the permissions to enter a role by an action, on terms. Tags and
// source identity that come from the caller's own session take them too.
func roleNeeds(action, role string, t terms, keys map[string][]string) []awsapi.Need {
	t.keys(keys)
	if t.SourceIdentity != "" {
		keys["sts:sourceidentity"] = []string{t.SourceIdentity}
	}
	need := awsapi.Need{Action: action, Resource: role, ResourceAccount: accountOf(role), Keys: keys}
	needs := []awsapi.Need{need}
	if len(t.Tags) > 0 {
		need.Action = "sts:TagSession"
		needs = append(needs, need)
	}
	if t.SourceIdentity != "" {
		need.Action = "sts:SetSourceIdentity"
		needs = append(needs, need)
	}
	return needs
}

// checkRole refuses what is not the ARN of a role.
func checkRole(role string) error {
	a, err := arn.Parse(role)
	switch {
	case err != nil:
		return invalidParameter("%s is invalid", role)
	case a.Service != "iam" || a.Region != "" || a.Account == "" || !strings.HasPrefix(a.Resource, "role/"):
		return invalidParameter("Request ARN is invalid")
	}
	return nil
}

// accountOf is the account of the resource of an ARN, "" when it is none: then
// nobody may do anything to it.
func accountOf(resource string) string {
	a, err := arn.Parse(resource)
	if err != nil {
		return ""
	}
	return a.Account
}
