package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"drydock/ecrapi/events"
	"drydock/internal/registryhost"
	"drydock/storage"
)

// Webhooks are told what becomes of images. *events.Webhooks does it.
type Webhooks interface {
	Add(ctx context.Context, of storage.Scope, h events.Webhook) (made events.Webhook, secret string, err error)
	List(ctx context.Context, of storage.Scope) ([]events.Webhook, error)
	Remove(ctx context.Context, of storage.Scope, id string) error
}

// Scope is an account and a region.
type Scope struct {
	Account string `json:"account"`
	Region  string `json:"region"`
}

func (s Scope) check() (storage.Scope, error) {
	switch {
	case !registryhost.ValidAccount(s.Account):
		return storage.Scope{}, fmt.Errorf("%q is not an account id, which has 10 to 12 digits", s.Account)
	case !registryhost.ValidRegion(s.Region):
		return storage.Scope{}, fmt.Errorf("%q is not the name of a region, such as eu-west-1", s.Region)
	}
	return storage.Scope{Account: s.Account, Region: s.Region}, nil
}

// webhook asks for one of a scope: all of it is given to add one, the id to remove
// it.
type webhook struct {
	Scope
	events.Webhook
}

// NewWebhook is a webhook that was added, with its secret.
type NewWebhook struct {
	events.Webhook
	Secret string `json:"secret"`
}

func (s *Server) addWebhook(ctx context.Context, in webhook) (NewWebhook, error) {
	of, err := in.check()
	if err != nil {
		return NewWebhook{}, err
	}
	made, secret, err := s.o.Webhooks.Add(ctx, of, in.Webhook)
	return NewWebhook{made, secret}, err
}

func (s *Server) webhooks(ctx context.Context, in Scope) ([]events.Webhook, error) {
	of, err := in.check()
	if err != nil {
		return nil, err
	}
	return s.o.Webhooks.List(ctx, of)
}

func (s *Server) removeWebhook(ctx context.Context, in webhook) (nothing, error) {
	of, err := in.check()
	if err != nil {
		return nothing{}, err
	}
	if err := s.o.Webhooks.Remove(ctx, of, in.ID); errors.Is(err, events.ErrUnknown) {
		return nothing{}, fmt.Errorf("account %s has no webhook %s in %s", in.Account, in.ID, in.Region)
	} else if err != nil {
		return nothing{}, err
	}
	return nothing{}, nil
}

// AddWebhook gives a scope a webhook.
func (c *Client) AddWebhook(ctx context.Context, of Scope, h events.Webhook) (NewWebhook, error) {
	return call[NewWebhook](ctx, c, http.MethodPost, "/webhooks", webhook{of, h})
}

// Webhooks lists the webhooks of a scope.
func (c *Client) Webhooks(ctx context.Context, of Scope) ([]events.Webhook, error) {
	return call[[]events.Webhook](ctx, c, http.MethodPost, "/webhooks/list", of)
}

// RemoveWebhook takes a webhook from a scope.
func (c *Client) RemoveWebhook(ctx context.Context, of Scope, id string) error {
	_, err := call[nothing](ctx, c, http.MethodPost, "/webhooks/remove", webhook{of, events.Webhook{ID: id}})
	return err
}
