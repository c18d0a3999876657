package control

import (
	"context"
	"fmt"
	"net/http"

	"drydock/internal/registryhost"
	"drydock/storage"
)

// Quotas limit what accounts and repositories hold. *storage.Registry does it.
type Quotas interface {
	SetQuota(ctx context.Context, ref storage.Ref, limit storage.Amount) error
	RemoveQuota(ctx context.Context, ref storage.Ref) error
	Holdings(ctx context.Context, account string) ([]storage.Holding, error)
}

// Holder is an account or, with a region and a name, a repository.
type Holder struct {
	Account string `json:"account"`
	Region  string `json:"region,omitempty"`
	Name    string `json:"name,omitempty"`
}

func (h Holder) ref() (storage.Ref, error) {
	if !registryhost.ValidAccount(h.Account) {
		return storage.Ref{}, fmt.Errorf("%q is not an account id, which has 10 to 12 digits", h.Account)
	}
	if (h.Region == "") != (h.Name == "") || h.Region != "" && !registryhost.ValidRegion(h.Region) {
		return storage.Ref{}, fmt.Errorf("%s/%s/%s is not a repository: that is ACCOUNT/REGION/NAME", h.Account, h.Region, h.Name)
	}
	return storage.Ref{Scope: storage.Scope{Account: h.Account, Region: h.Region}, Name: h.Name}, nil
}

// Holding is how much a holder holds. Of a quota 0 is no limit.
type Holding struct {
	Holder
	Bytes       int64 `json:"bytes"`
	Images      int64 `json:"images"`
	BytesQuota  int64 `json:"bytes_quota,omitempty"`
	ImagesQuota int64 `json:"images_quota,omitempty"`
	// Own is set when the quota is the holder's own and not the usual one.
	Own bool `json:"own_quota,omitempty"`
}

// newQuota gives a holder a quota.
type newQuota struct {
	Holder
	Bytes  int64 `json:"bytes"`
	Images int64 `json:"images"`
}

func (s *Server) setQuota(ctx context.Context, in newQuota) (nothing, error) {
	ref, err := in.ref()
	if err != nil {
		return nothing{}, err
	}
	return nothing{}, s.o.Quotas.SetQuota(ctx, ref, storage.Amount{Bytes: in.Bytes, Images: in.Images})
}

func (s *Server) removeQuota(ctx context.Context, in Holder) (nothing, error) {
	ref, err := in.ref()
	if err != nil {
		return nothing{}, err
	}
	return nothing{}, s.o.Quotas.RemoveQuota(ctx, ref)
}

func (s *Server) holdings(ctx context.Context, in Holder) ([]Holding, error) {
	if in.Account != "" {
		if _, err := in.ref(); err != nil {
			return nil, err
		}
	}
	all, err := s.o.Quotas.Holdings(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	list := make([]Holding, len(all))
	for i, h := range all {
		list[i] = Holding{
			Holder: Holder{h.Ref.Account, h.Ref.Region, h.Ref.Name}, Bytes: h.Used.Bytes, Images: h.Used.Images,
			BytesQuota: h.Quota.Bytes, ImagesQuota: h.Quota.Images, Own: h.Own,
		}
	}
	return list, nil
}

// SetQuota gives a holder a quota of its own; 0 is no limit.
func (c *Client) SetQuota(ctx context.Context, h Holder, bytes, images int64) error {
	_, err := call[nothing](ctx, c, http.MethodPost, "/quotas", newQuota{h, bytes, images})
	return err
}

// RemoveQuota takes its own quota from a holder.
func (c *Client) RemoveQuota(ctx context.Context, h Holder) error {
	_, err := call[nothing](ctx, c, http.MethodPost, "/quotas/remove", h)
	return err
}

// Holdings lists an account and its repositories or, for none, all accounts and the
// repositories that have a quota of their own.
func (c *Client) Holdings(ctx context.Context, account string) ([]Holding, error) {
	return call[[]Holding](ctx, c, http.MethodPost, "/quotas/list", Holder{Account: account})
}
