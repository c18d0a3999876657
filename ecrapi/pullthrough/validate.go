package pullthrough

import (
	"context"
	"errors"
	"net/http"

	"drydock/storage"
)

// errNoCache is that of a Cache which is nil.
var errNoCache = errors.New("this server fetches nothing from other registries")

// CheckCredential reads a secret. Errors: those of Secrets, ErrBadSecret.
func (c *Cache) CheckCredential(ctx context.Context, of storage.Scope, credential string) error {
	if c == nil {
		return errNoCache
	}
	_, err := c.login(ctx, of, credential)
	return err
}

// Validate tells what is wrong with a rule: that its upstream cannot be reached, or
// does not take its credentials. Without credentials it is enough that it answers.
func (c *Cache) Validate(ctx context.Context, of storage.Scope, r Rule) error {
	if c == nil {
		return errNoCache
	}
	frozen, err := c.Frozen(ctx)
	if err != nil {
		return err
	}
	if frozen {
		return &storage.FrozenError{Missing: errors.New("the upstream registry cannot be tried")}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	up, err := c.dial(ctx, of, r)
	if err != nil {
		return err
	}
	up.client.Cache = nil // a token that was had before proves nothing
	res, err := up.ask(ctx, http.MethodGet, "", "", "")
	var answer *storage.UpstreamError
	if errors.As(err, &answer) && answer.Status == http.StatusUnauthorized && r.Credential == "" {
		return nil
	}
	if err != nil {
		return err
	}
	return res.Body.Close()
}
