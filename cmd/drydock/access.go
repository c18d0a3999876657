package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"drydock/auth"
	"drydock/auth/audit"
	"drydock/auth/enforce"
	"drydock/auth/identity"
	"drydock/auth/identity/managed"
	"drydock/auth/oidc"
	"drydock/auth/policy"
	"drydock/auth/stsapi"
	"drydock/auth/token/keyring"
	"drydock/deploy"
	"drydock/ecrapi"
	"drydock/storage"
)

// oldSigningKeyFile had the keys of registry passwords before the database had
// them.
const oldSigningKeyFile = "password-keys.json"

// access is who there is, what they may do, and what was decided.
type access struct {
	identities *identity.Store
	authorizer *enforce.Authorizer
	guardrails []policy.Attached
	trail      *audit.Trail
	messages   *stsapi.Messages
	// signing are the keys that sign registry passwords.
	signing *keyring.Ring
	// tokens are those of other issuers, for AssumeRoleWithWebIdentity.
	tokens *oidc.Verifier
}

// openAccess opens the identities in the database and builds the authorizer over
// them. roots are the root keys that are given, not stored.
func openAccess(ctx context.Context, s site, engine *storage.Registry, roots []auth.Credential) (*access, error) {
	db, box := s.db, s.box
	policies, err := managed.Load()
	if err != nil {
		return nil, fmt.Errorf("read Amazon's own policies: %w", err)
	}
	a := &access{trail: audit.NewTrail()}
	a.identities, err = identity.New(ctx, identity.Options{
		DB: db, Seal: box, Managed: policies, Now: time.Now, Random: rand.Reader, Roots: roots,
	})
	if err != nil {
		return nil, err
	}
	a.signing, err = keyring.Open(ctx, keyring.Options{
		DB: db, Seal: box, Now: time.Now, Random: rand.Reader, Log: s.log, File: s.folder.Path(oldSigningKeyFile),
	})
	if err != nil {
		return nil, err
	}
	if a.guardrails, err = guardrails(s.cfg.Guardrail); err != nil {
		return nil, &fileError{err}
	}
	if a.messages, err = stsapi.NewMessages(box); err != nil {
		return nil, err
	}
	issuers, err := declared(ctx, s, a.identities)
	if err != nil {
		return nil, err
	}
	if a.tokens, err = oidc.New(oidc.Options{Issuers: issuers, Now: time.Now, Client: &http.Client{Timeout: 10 * time.Second}}); err != nil {
		return nil, err
	}
	a.authorizer, err = enforce.New(enforce.Options{
		Subjects:   a.identities,
		Resources:  map[string]enforce.Resources{"ecr": ecrapi.NewResources(engine), "ecs": deploy.Resources{DB: s.db}, "iam": enforce.Roles{Trusts: a.identities}},
		Guardrails: a.guardrails,
		Watch:      a.watch,
		Seal:       a.messages.Encode,
	})
	return a, err
}

// watch takes a decision down, and that the key was used which it was asked for
// with.
func (a *access) watch(ctx context.Context, d enforce.Decision) {
	a.trail.Record(ctx, d)
	if key := d.Request.Principal.AccessKeyID; key != "" {
		service, _, _ := strings.Cut(d.Request.Action, ":")
		a.identities.Used(key, service, d.Request.Region)
	}
}

// fileError is a mistake in a file of the user's, which has nothing to do with the
// data folder.
type fileError struct{ error }

func (e *fileError) Unwrap() error { return e.error }

// guardrails reads the policy that limits all accounts; without a file there is
// none.
func guardrails(file string) ([]policy.Attached, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the guardrail: %w", err)
	}
	document, err := policy.Parse(text, policy.Guardrail)
	var wrong *policy.SyntaxError
	if errors.As(err, &wrong) {
		return nil, fmt.Errorf("the guardrail %s, line %d: %s (%s)", file, wrong.At.Line, wrong.Message, wrong.Detail)
	}
	if err != nil {
		return nil, fmt.Errorf("the guardrail %s: %w", file, err)
	}
	return []policy.Attached{{Kind: policy.KindGuardrail, Name: file, Document: document}}, nil
}
