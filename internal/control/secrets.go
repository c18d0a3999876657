package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"drydock/deploy/secret"
	"drydock/internal/registryhost"
)

// Secrets keep what task definitions have by reference. *secret.Store does.
type Secrets interface {
	Put(ctx context.Context, k secret.Key, text string) (secret.Secret, error)
	Remove(ctx context.Context, k secret.Key) error
	List(ctx context.Context, after secret.Key, limit int) ([]secret.Described, error)
}

// SecretName is what a secret is called in an account and a region.
type SecretName struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Name    string `json:"name"`
}

// Secret is a secret without its value, and what task definitions call it by.
type Secret struct {
	Name string `json:"name"`
	// Parameter and Secret are ARNs of a value, File that of a file.
	Parameter string    `json:"parameter,omitempty"`
	Secret    string    `json:"secret,omitempty"`
	File      string    `json:"file,omitempty"`
	ChangedAt time.Time `json:"changed_at"`
}

// newSecret gives a secret a value.
type newSecret struct {
	SecretName
	Text []byte `json:"text"`
}

// listed is how many secrets are read at once.
const listed = 500

func (n SecretName) check() error {
	switch {
	case !registryhost.ValidAccount(n.Account):
		return fmt.Errorf("%q is not an account id, which has 10 to 12 digits", n.Account)
	case !registryhost.ValidRegion(n.Region):
		return fmt.Errorf("%q is not the name of a region, such as eu-west-1", n.Region)
	}
	return nil
}

func (n SecretName) key() (secret.Key, error) {
	if err := n.check(); err != nil {
		return secret.Key{}, err
	}
	return secret.ParseKey(n.Account, n.Region, n.Name)
}

func (s *Server) putSecret(ctx context.Context, in newSecret) (Secret, error) {
	k, err := in.key()
	if err != nil {
		return Secret{}, err
	}
	if k.Kind == secret.File {
		if _, err := secret.Environment(string(in.Text)); err != nil {
			return Secret{}, fmt.Errorf("this is no file of environment variables: %w", err)
		}
	}
	v, err := s.o.Secrets.Put(ctx, k, string(in.Text))
	if err != nil {
		return Secret{}, err
	}
	return shownSecret(secret.Described{Key: k, Suffix: v.Suffix, ChangedAt: v.Current.At}), nil
}

func (s *Server) removeSecret(ctx context.Context, in SecretName) (nothing, error) {
	k, err := in.key()
	if err != nil {
		return nothing{}, err
	}
	err = s.o.Secrets.Remove(ctx, k)
	if errors.Is(err, secret.ErrUnknown) {
		return nothing{}, fmt.Errorf("there is no secret %s in account %s and region %s", in.Name, in.Account, in.Region)
	}
	return nothing{}, err
}

func (s *Server) secrets(ctx context.Context, in SecretName) ([]Secret, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	all := []Secret{}
	for after := (secret.Key{Account: in.Account, Region: in.Region}); ; {
		some, err := s.o.Secrets.List(ctx, after, listed)
		if err != nil {
			return nil, err
		}
		for _, d := range some {
			all, after = append(all, shownSecret(d)), d.Key
		}
		if len(some) < listed {
			return all, nil
		}
	}
}

func shownSecret(d secret.Described) Secret {
	v := secret.Secret{Key: d.Key, Suffix: d.Suffix}
	if d.Kind == secret.File {
		return Secret{Name: "s3://" + d.Name, File: v.ARN(secret.Files), ChangedAt: d.ChangedAt}
	}
	return Secret{Name: d.Name, Parameter: v.ARN(secret.SystemsManager), Secret: v.ARN(secret.SecretsManager), ChangedAt: d.ChangedAt}
}

// PutSecret gives a secret a value.
func (c *Client) PutSecret(ctx context.Context, n SecretName, text []byte) (Secret, error) {
	return call[Secret](ctx, c, http.MethodPost, "/secrets", newSecret{n, text})
}

// RemoveSecret removes a secret.
func (c *Client) RemoveSecret(ctx context.Context, n SecretName) error {
	_, err := call[nothing](ctx, c, http.MethodPost, "/secrets/remove", n)
	return err
}

// Secrets lists the secrets of an account and a region.
func (c *Client) Secrets(ctx context.Context, account, region string) ([]Secret, error) {
	return call[[]Secret](ctx, c, http.MethodPost, "/secrets/list", SecretName{Account: account, Region: region})
}
