package deploy

import (
	"context"
	"fmt"

	"drydock/auth"
	"drydock/auth/enforce"
	"drydock/storage/meta"
)

// Resources tells what the resources of ECS say about who may use them: their tags.
// They have no policies of their own.
type Resources struct{ DB meta.DB }

var _ enforce.Resources = Resources{}

// Access implements enforce.Resources.
func (r Resources) Access(ctx context.Context, q auth.Request) (enforce.Access, error) {
	tags, err := meta.ResourceTags(ctx, r.DB.Reader(), q.Resource)
	if err != nil {
		return enforce.Access{}, fmt.Errorf("read the tags of %s: %w", q.Resource, err)
	}
	return enforce.Access{Tags: tags}, nil
}
