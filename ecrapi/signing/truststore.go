package signing

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"path"
	"slices"

	"drydock/storage"
)

// TrustStore is what `notation verify` has to know to trust the signatures of an
// account and a region: files by their paths below Notation's folder.
type TrustStore struct {
	Files map[string]string `json:"files"`
	// Identities are whom it trusts.
	Identities []string `json:"identities"`
}

// PolicyFile is where the trust policy is below Notation's folder.
const PolicyFile = "trustpolicy.json"

type trustPolicy struct {
	Version  string      `json:"version"`
	Policies []statement `json:"trustPolicies"`
}

type statement struct {
	Name         string            `json:"name"`
	Scopes       []string          `json:"registryScopes"`
	Verification map[string]string `json:"signatureVerification"`
	Stores       []string          `json:"trustStores"`
	Identities   []string          `json:"trustedIdentities"`
}

// TrustStore makes the trust store and the trust policy of an account and a region,
// for those of its profiles that are named, or all. Scopes are the repositories that
// the policy is for, as "host/name"; all where there is none. Errors: ErrUnknown, and
// that there is no profile.
func (p *Profiles) TrustStore(ctx context.Context, of storage.Scope, profiles, scopes []string) (TrustStore, error) {
	rows, err := p.o.Engine.Settings(ctx, of, profileKind, storage.SettingKey{}, MostProfiles)
	if err != nil {
		return TrustStore{}, err
	}
	wanted := map[string]bool{}
	for _, n := range profiles {
		wanted[n] = true
	}
	store := "drydock-" + of.Account + "-" + of.Region
	t := TrustStore{Files: map[string]string{}}
	var roots []*x509.Certificate
	for _, s := range rows {
		if len(profiles) > 0 && !wanted[s.Key] {
			continue
		}
		delete(wanted, s.Key)
		certificate, issuer, err := shown(s.Document)
		if err != nil {
			return TrustStore{}, fmt.Errorf("read signing profile %s: %w", s.Key, err)
		}
		t.Identities = append(t.Identities, "x509.subject: "+certificate.Subject.String())
		if !slices.ContainsFunc(roots, issuer.Equal) {
			roots = append(roots, issuer)
		}
	}
	for n := range wanted {
		return TrustStore{}, fmt.Errorf("%s: %w", n, ErrUnknown)
	}
	if len(t.Identities) == 0 {
		return TrustStore{}, fmt.Errorf("account %s has no signing profile in %s: make one with drydock signing profile add", of.Account, of.Region)
	}
	for i, root := range roots {
		file := path.Join("truststore", "x509", "ca", store, fmt.Sprintf("root-%d.pem", i+1))
		t.Files[file] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}))
	}
	if len(scopes) == 0 {
		scopes = []string{"*"}
	}
	policy, err := json.MarshalIndent(trustPolicy{Version: "1.0", Policies: []statement{{
		Name: store, Scopes: scopes, Verification: map[string]string{"level": "strict"}, Stores: []string{"ca:" + store}, Identities: t.Identities,
	}}}, "", "  ")
	if err != nil {
		return TrustStore{}, fmt.Errorf("write a trust policy: %w", err)
	}
	t.Files[PolicyFile] = string(policy) + "\n"
	return t, nil
}
