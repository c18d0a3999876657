package control

import (
	"context"
	"net/http"
	"time"

	"drydock/auth/identity"
)

// Account is an account of the server. The key of its root is there only when it
// was made just now.
type Account struct {
	ID              string    `json:"id"`
	Name            string    `json:"name,omitempty"`
	CreatedAt       time.Time `json:"created_at"`
	AccessKeyID     string    `json:"access_key_id,omitempty"`
	SecretAccessKey string    `json:"secret_access_key,omitempty"`
}

type newAccount struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type nothing struct{}

func (s *Server) createAccount(ctx context.Context, in newAccount) (Account, error) {
	a, key, err := s.o.Identities.CreateAccount(ctx, in.ID, in.Name)
	if err != nil {
		return Account{}, err
	}
	return Account{ID: a.ID, Name: a.Name, CreatedAt: a.CreatedAt, AccessKeyID: key.ID, SecretAccessKey: key.Secret}, nil
}

func (s *Server) listAccounts(ctx context.Context, _ nothing) ([]Account, error) {
	list := []Account{}
	page := identity.Page{Limit: 1000}
	for {
		some, next, err := s.o.Identities.Accounts(ctx, page)
		if err != nil {
			return nil, err
		}
		for _, a := range some {
			list = append(list, Account{ID: a.ID, Name: a.Name, CreatedAt: a.CreatedAt})
		}
		if page.After = next; next == "" {
			return list, nil
		}
	}
}

// CreateAccount makes an account with a key for its root.
func (c *Client) CreateAccount(ctx context.Context, id, name string) (Account, error) {
	return call[Account](ctx, c, http.MethodPost, "/accounts", newAccount{id, name})
}

// Accounts lists all accounts by id.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	return call[[]Account](ctx, c, http.MethodGet, "/accounts", nil)
}
