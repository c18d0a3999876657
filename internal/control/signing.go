package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"drydock/ecrapi/signing"
	"drydock/storage"
)

// Profiles are what images are signed with. *signing.Profiles has them.
type Profiles interface {
	Add(ctx context.Context, of storage.Scope, profile string) (signing.Profile, error)
	List(ctx context.Context, of storage.Scope) ([]signing.Profile, error)
	Remove(ctx context.Context, of storage.Scope, profile string) error
	TrustStore(ctx context.Context, of storage.Scope, profiles, scopes []string) (signing.TrustStore, error)
}

// profile names a signing profile of a scope.
type profile struct {
	Scope
	Name string `json:"name"`
}

// trustStore asks for the trust store of a scope.
type trustStore struct {
	Scope
	Profiles []string `json:"profiles"`
	Scopes   []string `json:"scopes"`
}

func (s *Server) addProfile(ctx context.Context, in profile) (signing.Profile, error) {
	of, err := in.check()
	if err != nil {
		return signing.Profile{}, err
	}
	made, err := s.o.Profiles.Add(ctx, of, in.Name)
	if errors.Is(err, signing.ErrExists) {
		return made, fmt.Errorf("account %s has a signing profile %s in %s already", in.Account, in.Name, in.Region)
	}
	return made, err
}

func (s *Server) profiles(ctx context.Context, in Scope) ([]signing.Profile, error) {
	of, err := in.check()
	if err != nil {
		return nil, err
	}
	return s.o.Profiles.List(ctx, of)
}

func (s *Server) removeProfile(ctx context.Context, in profile) (nothing, error) {
	of, err := in.check()
	if err != nil {
		return nothing{}, err
	}
	err = s.o.Profiles.Remove(ctx, of, in.Name)
	if errors.Is(err, signing.ErrUnknown) {
		err = fmt.Errorf("account %s has no signing profile %s in %s", in.Account, in.Name, in.Region)
	}
	return nothing{}, err
}

func (s *Server) trustStore(ctx context.Context, in trustStore) (signing.TrustStore, error) {
	of, err := in.check()
	if err != nil {
		return signing.TrustStore{}, err
	}
	return s.o.Profiles.TrustStore(ctx, of, in.Profiles, in.Scopes)
}

// AddProfile makes a signing profile of a scope.
func (c *Client) AddProfile(ctx context.Context, of Scope, name string) (signing.Profile, error) {
	return call[signing.Profile](ctx, c, http.MethodPost, "/signing", profile{of, name})
}

// Profiles lists the signing profiles of a scope.
func (c *Client) Profiles(ctx context.Context, of Scope) ([]signing.Profile, error) {
	return call[[]signing.Profile](ctx, c, http.MethodPost, "/signing/list", of)
}

// RemoveProfile destroys the key of a signing profile.
func (c *Client) RemoveProfile(ctx context.Context, of Scope, name string) error {
	_, err := call[nothing](ctx, c, http.MethodPost, "/signing/remove", profile{of, name})
	return err
}

// TrustStore makes the trust store of a scope, for the profiles named, or all, and
// for repositories, or all.
func (c *Client) TrustStore(ctx context.Context, of Scope, profiles, scopes []string) (signing.TrustStore, error) {
	return call[signing.TrustStore](ctx, c, http.MethodPost, "/signing/trust-store", trustStore{of, profiles, scopes})
}
