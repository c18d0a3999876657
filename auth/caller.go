package auth

import (
	"context"
	"encoding/json"
	"fmt"
)

// Caller is who asks and from where, in a form that can be kept for what is decided
// after the request has been answered.
type Caller struct {
	Principal Principal `json:"principal"`
	Origin    Origin    `json:"origin"`
}

// CallerOf writes down who asks, and the origin that the context carries.
func CallerOf(ctx context.Context, p Principal) string {
	text, err := json.Marshal(Caller{p, *OriginFrom(ctx)})
	if err != nil {
		return "" // nothing of it can fail; and who is not known may do nothing
	}
	return string(text)
}

// ParseCaller reads what CallerOf wrote.
func ParseCaller(text string) (Caller, error) {
	var c Caller
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return Caller{}, fmt.Errorf("read who asked: %w", err)
	}
	return c, nil
}

// Authorize decides whether the caller may do something, as if it had asked itself.
// Errors: those of the authorizer.
func (c Caller) Authorize(ctx context.Context, a Authorizer, r Request) error {
	r.Principal = c.Principal
	return a.Authorize(WithOrigin(ctx, &c.Origin), r)
}
