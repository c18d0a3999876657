package stsapi

import (
	"context"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/oidc"
	"drydock/awsapi"
)

// bearer finds out who shows the token of another issuer and what they ask for:
// the trust policy of the role decides whether the provider's word is enough.
func (s *Service) bearer(ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput) (*awsapi.Bearer[sts.AssumeRoleWithWebIdentityOutput], error) {
	if err := checkRole(*in.RoleArn); err != nil {
		return nil, err
	}
	if in.ProviderId != nil {
		return nil, exception(&oidc.Error{Kind: oidc.Invalid, Message: "No OpenIDConnect provider found in your account for " + *in.ProviderId})
	}
	claims, err := s.tokens.Verify(ctx, *in.WebIdentityToken)
	if err != nil {
		return nil, exception(err)
	}
	if err := fit(claims); err != nil {
		return nil, err
	}
	t, err := request{in.Policy, in.PolicyArns, claims.Tags, claims.Transitive, nil}.terms()
	if err != nil {
		return nil, err
	}
	// Providers are the server's here: every account has them.
	provider := identity.ProviderARN(accountOf(*in.RoleArn), claims.Issuer)
	t.SourceIdentity, t.FederatedProvider = claims.SourceIdentity, provider
	keys := tokenKeys(claims)
	keys["sts:rolesessionname"] = []string{*in.RoleSessionName}
	keys["aws:federatedprovider"] = []string{provider}
	if in.DurationSeconds != nil {
		keys["sts:durationseconds"] = []string{strconv.Itoa(int(*in.DurationSeconds))}
	}
	return &awsapi.Bearer[sts.AssumeRoleWithWebIdentityOutput]{
		Principal: auth.Principal{ARN: provider},
		Needs:     roleNeeds("sts:AssumeRoleWithWebIdentity", *in.RoleArn, t, keys),
		Run: func(ctx context.Context) (*sts.AssumeRoleWithWebIdentityOutput, error) {
			return s.assumeWithToken(ctx, in, claims, t)
		},
	}, nil
}

func (s *Service) assumeWithToken(ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput, claims *oidc.Claims, t terms) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	made, err := s.enter(ctx, entry{*in.RoleArn, *in.RoleSessionName, seconds(in.DurationSeconds, usualRoleSession), in.MinimumSessionTokenSize, t.Terms})
	if err != nil {
		return nil, err
	}
	out := &sts.AssumeRoleWithWebIdentityOutput{
		AssumedRoleUser: assumed(made.Principal), Credentials: shown(made),
		Provider: &claims.Issuer, SubjectFromWebIdentityToken: &claims.Subject, Audience: &claims.Party[0],
	}
	//lint:ignore SA1019 clients older than its replacement read it
	out.PackedPolicySize = t.packedSize()
	out.SessionTokenSize, out.SessionTokenUtilization = tokenUse(made)
	if t.SourceIdentity != "" {
		out.SourceIdentity = &t.SourceIdentity
	}
	return out, nil
}

// The forms that session tags and a source identity have, which the model of the
// API states of its parameters and nobody has checked of a token. They are not
// regular expressions because one of these, once compiled, takes megabytes.

// isTagText reports whether s may be the key or the value of a tag, of a number of
// characters from least to most: letters, spaces, numbers and _.:/=+-@.
func isTagText(s string, least, most int) bool {
	n := 0
	for _, c := range s {
		if n++; c == utf8.RuneError || !unicode.In(c, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", c) {
			return false
		}
	}
	return n >= least && n <= most
}

// isSource reports whether s may be a source identity.
func isSource(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_+=,.@-", c) >= 0) {
			return false
		}
	}
	return len(s) >= 2 && len(s) <= 64
}

// maxTags is how many session tags there may be.
const maxTags = 50

// fit refuses a token whose tags or source identity a session cannot have.
func fit(c *oidc.Claims) error {
	wrong := func(what, value string) error {
		return exception(&oidc.Error{Kind: oidc.Rejected, Message: "The token holds a " + what + " that a session cannot have: " + value})
	}
	if c.SourceIdentity != "" && !isSource(c.SourceIdentity) {
		return wrong("source identity", c.SourceIdentity)
	}
	if len(c.Tags) > maxTags {
		return wrong("number of tags", strconv.Itoa(len(c.Tags)))
	}
	folded := make(map[string]bool, len(c.Tags))
	for key, value := range c.Tags {
		fold := strings.ToLower(key)
		if !isTagText(key, 1, 128) || !isTagText(value, 0, 256) || folded[fold] {
			return wrong("tag", key)
		}
		folded[fold] = true
	}
	return nil
}

// tokenKeys are the condition keys of a token, which are called after its issuer.
// Source: IAM User Guide, "Available keys for AWS OIDC federation".
func tokenKeys(c *oidc.Claims) map[string][]string {
	issuer := strings.ToLower(identity.IssuerName(c.Issuer))
	keys := map[string][]string{
		issuer + ":sub":  {c.Subject},
		issuer + ":aud":  c.Party,
		issuer + ":oaud": c.Audience,
	}
	if len(c.Methods) > 0 {
		keys[issuer+":amr"] = c.Methods
	}
	if c.Email != "" {
		keys[issuer+":email"] = []string{c.Email}
	}
	return keys
}
