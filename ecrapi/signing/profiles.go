// Package signing signs the images that are pushed, as the signing configuration of
// their registry says: with keys that the server keeps, in the format of the Notary
// Project, so that `notation verify` accepts them.
//
// What is to be signed is ordered in the transaction of the push and done after it;
// a signature and what is told of it are stored in one transaction, so that there is
// one however often the server dies meanwhile.
//
// Sources: Amazon ECR User Guide, "Managed signing";
// https://github.com/notaryproject/specifications
package signing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"time"

	"drydock/auth/seal"
	"drydock/internal/arn"
	"drydock/storage"
)

// What identities are called among the settings of a registry.
const (
	profileKind = "signing-profile"
	rootKind    = "signing-root"
)

// MostProfiles is how many profiles an account can have in a region.
const MostProfiles = 100

// ProfilesOptions is what Profiles are made of. All is needed.
type ProfilesOptions struct {
	Engine *storage.Registry
	Box    *seal.Box
	Now    func() time.Time
	Random io.Reader
}

// Profiles are the signing profiles of all accounts: each a name with a key, whose
// certificate comes from an authority of its account and region.
type Profiles struct{ o ProfilesOptions }

// NewProfiles makes Profiles.
func NewProfiles(o ProfilesOptions) (*Profiles, error) {
	if o.Engine == nil || o.Box == nil || o.Now == nil || o.Random == nil {
		return nil, errors.New("signing profiles need an engine, a box, a clock and randomness")
	}
	return &Profiles{o}, nil
}

// Profile is a signing profile as it is shown.
type Profile struct {
	Name string `json:"name"`
	ARN  string `json:"arn"`
	// Subject is who signs, as certificates have it, and Fingerprint the SHA-256 of
	// the certificate.
	Subject     string    `json:"subject"`
	Fingerprint string    `json:"fingerprint"`
	CreatedAt   time.Time `json:"created_at"`
	EndsAt      time.Time `json:"ends_at"`
}

// ErrUnknown is returned for a profile that is not there, and ErrExists for one that
// is.
var (
	ErrUnknown = errors.New("there is no such signing profile")
	ErrExists  = errors.New("there is such a signing profile")
)

// Source: AWS Signer API Reference, PutSigningProfile.
var nameForm = regexp.MustCompile(`^[a-zA-Z0-9_]{2,64}$`)

// ARN is that of a profile.
func ARN(of storage.Scope, profile string) string {
	return arn.ARN{Service: "signer", Region: of.Region, Account: of.Account, Resource: profilePrefix + profile}.String()
}

const profilePrefix = "/signing-profiles/"

// ParseARN reads the ARN of a profile; ok is false when it is none.
func ParseARN(text string) (of storage.Scope, profile string, ok bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "signer" || len(a.Resource) <= len(profilePrefix) || a.Resource[:len(profilePrefix)] != profilePrefix {
		return storage.Scope{}, "", false
	}
	profile = a.Resource[len(profilePrefix):]
	return storage.Scope{Account: a.Account, Region: a.Region}, profile, nameForm.MatchString(profile)
}

// Add makes a profile with a key of its own. Errors: ErrExists, and what is wrong
// with the name.
func (p *Profiles) Add(ctx context.Context, of storage.Scope, profile string) (Profile, error) {
	if !nameForm.MatchString(profile) {
		return Profile{}, fmt.Errorf("%q cannot be the name of a signing profile, which has 2 to 64 letters, digits and underscores", profile)
	}
	there, err := p.List(ctx, of)
	if err != nil {
		return Profile{}, err
	}
	if len(there) >= MostProfiles {
		return Profile{}, fmt.Errorf("account %s has %d signing profiles in %s, and can have no more", of.Account, len(there), of.Region)
	}
	root, err := p.root(ctx, of, len(there) == 0)
	if err != nil {
		return Profile{}, err
	}
	_, document, err := p.leaf(of, profile, root)
	if err != nil {
		return Profile{}, err
	}
	s, err := p.o.Engine.CreateSetting(ctx, profileKey(of, profile), document)
	var exists *storage.SettingExistsError
	if errors.As(err, &exists) {
		return Profile{}, ErrExists
	}
	if err != nil {
		return Profile{}, err
	}
	return show(s)
}

// leaf makes the identity of a profile, and the document that it is kept as.
func (p *Profiles) leaf(of storage.Scope, profile string, root identity) (identity, string, error) {
	if root.certificate.NotAfter.Sub(p.o.Now()) < renewBefore {
		return identity{}, "", errEnded
	}
	leaf, err := p.newLeaf(of, profile, root)
	if err != nil {
		return identity{}, "", err
	}
	document, err := p.keep(leaf, place(of, profile))
	return leaf, document, err
}

// List lists the profiles of an account and a region by name.
func (p *Profiles) List(ctx context.Context, of storage.Scope) ([]Profile, error) {
	rows, err := p.o.Engine.Settings(ctx, of, profileKind, storage.SettingKey{}, MostProfiles)
	if err != nil {
		return nil, err
	}
	list := make([]Profile, len(rows))
	for i, s := range rows {
		if list[i], err = show(s); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Exists reports whether there is a profile.
func (p *Profiles) Exists(ctx context.Context, of storage.Scope, profile string) (bool, error) {
	_, err := p.o.Engine.Setting(ctx, profileKey(of, profile))
	var unknown *storage.SettingUnknownError
	if errors.As(err, &unknown) {
		return false, nil
	}
	return err == nil, err
}

// Remove destroys a profile's key. With the last profile goes the authority, so that
// profiles which are added later are trusted by nobody who trusts these. Errors:
// ErrUnknown.
func (p *Profiles) Remove(ctx context.Context, of storage.Scope, profile string) error {
	_, err := p.o.Engine.DeleteSetting(ctx, profileKey(of, profile))
	var unknown *storage.SettingUnknownError
	if errors.As(err, &unknown) {
		return ErrUnknown
	}
	if err != nil {
		return err
	}
	left, err := p.o.Engine.Settings(ctx, of, profileKind, storage.SettingKey{}, 1)
	if err != nil || len(left) > 0 {
		return err
	}
	_, err = p.o.Engine.DeleteSetting(ctx, rootKey(of))
	if errors.As(err, &unknown) {
		return nil
	}
	return err
}

// signer is who signs for a profile. A profile whose certificate is old gets a new
// key and a new certificate first, as long as its authority can give it one. Errors:
// ErrUnknown.
func (p *Profiles) signer(ctx context.Context, of storage.Scope, profile string) (identity, error) {
	s, err := p.o.Engine.Setting(ctx, profileKey(of, profile))
	var unknown *storage.SettingUnknownError
	if errors.As(err, &unknown) {
		return identity{}, ErrUnknown
	}
	if err != nil {
		return identity{}, err
	}
	leaf, err := p.open(s.Document, place(of, profile))
	if err != nil || leaf.certificate.NotAfter.Sub(p.o.Now()) >= renewBefore {
		return leaf, err
	}
	fresh, err := p.renew(ctx, of, profile, leaf)
	if errors.Is(err, errEnded) || errors.As(err, &unknown) {
		return leaf, nil
	}
	return fresh, err
}

// renew gives a profile a new key, under the authority that certified the old one.
// Errors: errEnded, *storage.SettingUnknownError
// where there is no authority any more, ErrUnknown.
func (p *Profiles) renew(ctx context.Context, of storage.Scope, profile string, old identity) (identity, error) {
	r, err := p.o.Engine.Setting(ctx, rootKey(of))
	if err != nil {
		return identity{}, err
	}
	root, err := p.open(r.Document, place(of, ""))
	if err != nil {
		return identity{}, err
	}
	if !root.certificate.Equal(old.issuer) {
		// Who trusts the old one's authority would not trust the new one's.
		return identity{}, errEnded
	}
	leaf, document, err := p.leaf(of, profile, root)
	if err != nil {
		return identity{}, err
	}
	_, err = p.o.Engine.ChangeSetting(ctx, profileKey(of, profile), func(was string) (string, []storage.Job, error) {
		if was == "" {
			return "", nil, ErrUnknown
		}
		return document, nil, nil
	})
	return leaf, err
}

// root is the authority of an account and a region, which is made where there is
// none. For an account without profiles a new one is made in any case: the old one
// certified keys that have been destroyed, and should have gone with the last of them,
// which a server that dies then leaves undone.
func (p *Profiles) root(ctx context.Context, of storage.Scope, first bool) (identity, error) {
	made, err := p.newRoot(of)
	if err != nil {
		return identity{}, err
	}
	document, err := p.keep(made, place(of, ""))
	if err != nil {
		return identity{}, err
	}
	s, err := p.o.Engine.ChangeSetting(ctx, rootKey(of), func(was string) (string, []storage.Job, error) {
		if was != "" && !first {
			return was, nil, nil
		}
		return document, nil, nil
	})
	if err != nil {
		return identity{}, err
	}
	return p.open(s.Document, place(of, ""))
}

func show(s storage.Setting) (Profile, error) {
	c, _, err := shown(s.Document)
	if err != nil {
		return Profile{}, fmt.Errorf("read signing profile %s: %w", s.Key, err)
	}
	sum := sha256.Sum256(c.Raw)
	return Profile{
		Name: s.Key, ARN: ARN(s.Scope, s.Key), Subject: c.Subject.String(), Fingerprint: hex.EncodeToString(sum[:]),
		CreatedAt: s.CreatedAt, EndsAt: c.NotAfter,
	}, nil
}

func profileKey(of storage.Scope, profile string) storage.SettingKey {
	return storage.SettingKey{Ref: storage.Ref{Scope: of}, Kind: profileKind, Key: profile}
}

func rootKey(of storage.Scope) storage.SettingKey {
	return storage.SettingKey{Ref: storage.Ref{Scope: of}, Kind: rootKind}
}

// place is where a key belongs, for its seal: a profile's, or the authority's where
// that has no name.
func place(of storage.Scope, profile string) string {
	if profile == "" {
		return path.Join("signing authority", of.Account, of.Region)
	}
	return path.Join("signing profile", of.Account, of.Region, profile)
}
