package awsapi

import (
	"context"
	"fmt"
)

// Needs tells which permissions a call with an input, a pointer to the operation's
// own struct, takes. Errors: those of the declaration; the operation has none, for
// it finds out by its input who calls.
func (o Operation) Needs(ctx context.Context, in any) ([]Need, error) {
	if o.needs == nil {
		return nil, fmt.Errorf("operation %s declares no permissions", o.Name)
	}
	return o.needs(ctx, in)
}
