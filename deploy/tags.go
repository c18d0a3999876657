package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/record"
	"drydock/internal/arn"
	"drydock/storage/meta"
)

// What ECS allows of resource tags, lengths in characters.
// Source: Amazon ECS Developer Guide, "Tagging Amazon ECS resources".
const (
	mostTags      = 50
	longestTagKey = 128
	longestTag    = 256
)

func (s *Service) tagOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("TagResource", s.TagResource, func(ctx context.Context, in *ecs.TagResourceInput) ([]awsapi.Need, error) {
			n := need(ctx, "ecs:TagResource", deref(in.ResourceArn))
			n.Keys = tagKeys(in.Tags)
			return []awsapi.Need{n}, nil
		}),
		awsapi.Op("UntagResource", s.UntagResource, func(ctx context.Context, in *ecs.UntagResourceInput) ([]awsapi.Need, error) {
			n := need(ctx, "ecs:UntagResource", deref(in.ResourceArn))
			n.Keys = map[string][]string{"aws:tagkeys": in.TagKeys}
			return []awsapi.Need{n}, nil
		}),
		awsapi.Op("ListTagsForResource", s.ListTagsForResource, func(ctx context.Context, in *ecs.ListTagsForResourceInput) ([]awsapi.Need, error) {
			return []awsapi.Need{need(ctx, "ecs:ListTagsForResource", deref(in.ResourceArn))}, nil
		}),
	}
}

// needsTagging is what tags at creation take beside the permission to create.
func needsTagging(ctx context.Context, arn string, tags []types.Tag, creation string) []awsapi.Need {
	if len(tags) == 0 {
		return nil
	}
	n := need(ctx, "ecs:TagResource", arn)
	n.Keys = tagKeys(tags)
	n.Keys["ecs:createaction"] = []string{creation}
	return []awsapi.Need{n}
}

// tagKeys are the condition keys of tags that a request brings. Conditions do not
// tell the case of tags apart: of tags that differ in nothing else neither is seen.
func tagKeys(tags []types.Tag) map[string][]string {
	keys := make(map[string][]string, len(tags)+1)
	for _, t := range tags {
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], deref(t.Key))
		key, value := "aws:requesttag/"+strings.ToLower(deref(t.Key)), []string{deref(t.Value)}
		if _, twice := keys[key]; twice {
			value = nil
		}
		keys[key] = value
	}
	return keys
}

// checkTags checks the tags of a request and collects them.
func checkTags(tags []types.Tag) (map[string]string, error) {
	if len(tags) > mostTags {
		return nil, invalidParameter("Too many tags. A resource has at most %d.", mostTags)
	}
	all := make(map[string]string, len(tags))
	for _, t := range tags {
		key, value := deref(t.Key), deref(t.Value)
		switch n := utf8.RuneCountInString(key); {
		case n < 1 || n > longestTagKey:
			return nil, invalidParameter("Tag key length must be between 1 and %d.", longestTagKey)
		case utf8.RuneCountInString(value) > longestTag:
			return nil, invalidParameter("Tag value length must be at most %d.", longestTag)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, invalidParameter("The tag key prefix aws: is reserved.")
		}
		if _, twice := all[key]; twice {
			return nil, invalidParameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		all[key] = value
	}
	return all, nil
}

// putTags adds tags to a resource, in a transaction.
func putTags(ctx context.Context, q meta.Querier, arn string, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	for key, value := range tags {
		if err := meta.SetResourceTag(ctx, q, arn, key, value); err != nil {
			return fmt.Errorf("tag %s: %w", arn, err)
		}
	}
	now, err := meta.ResourceTags(ctx, q, arn)
	if err != nil {
		return fmt.Errorf("read the tags of %s: %w", arn, err)
	}
	if len(now) > mostTags {
		return invalidParameter("Too many tags. A resource has at most %d.", mostTags)
	}
	return nil
}

// tags are the tags of a resource by key.
func (s *Service) tags(ctx context.Context, arn string) ([]types.Tag, error) {
	found, err := meta.ResourceTags(ctx, s.reader(), arn)
	if err != nil {
		return nil, fmt.Errorf("read the tags of %s: %w", arn, err)
	}
	list := make([]types.Tag, 0, len(found))
	for key, value := range found {
		list = append(list, types.Tag{Key: to(key), Value: to(value)})
	}
	slices.SortFunc(list, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return list, nil
}

// TagResource sets tags of a resource; others it has stay.
func (s *Service) TagResource(ctx context.Context, in *ecs.TagResourceInput) (*ecs.TagResourceOutput, error) {
	tags, err := checkTags(in.Tags)
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, func(q meta.Querier) error {
		if err := taggable(ctx, q, deref(in.ResourceArn)); err != nil {
			return err
		}
		return putTags(ctx, q, *in.ResourceArn, tags)
	})
	return &ecs.TagResourceOutput{}, err
}

// UntagResource removes tags of a resource; keys it does not have are no error.
func (s *Service) UntagResource(ctx context.Context, in *ecs.UntagResourceInput) (*ecs.UntagResourceOutput, error) {
	err := s.write(ctx, func(q meta.Querier) error {
		if err := taggable(ctx, q, deref(in.ResourceArn)); err != nil {
			return err
		}
		for _, key := range in.TagKeys {
			if err := meta.DeleteResourceTag(ctx, q, *in.ResourceArn, key); err != nil {
				return fmt.Errorf("untag %s: %w", *in.ResourceArn, err)
			}
		}
		return nil
	})
	return &ecs.UntagResourceOutput{}, err
}

// ListTagsForResource lists the tags of a resource by key.
func (s *Service) ListTagsForResource(ctx context.Context, in *ecs.ListTagsForResourceInput) (*ecs.ListTagsForResourceOutput, error) {
	if err := taggable(ctx, s.reader(), deref(in.ResourceArn)); err != nil {
		return nil, err
	}
	tags, err := s.tags(ctx, *in.ResourceArn)
	return &ecs.ListTagsForResourceOutput{Tags: tags}, err
}

// taggable reports, as ECS does, whether there is such a resource to be tagged.
func taggable(ctx context.Context, q meta.Querier, resource string) error {
	scope := scopeOf(ctx)
	a, err := arn.Parse(resource)
	if err != nil || a.Service != "ecs" {
		return invalidParameter("Invalid ARN: %q is not the ARN of a resource of ECS.", resource)
	}
	if a.Account != scope.Account || a.Region != scope.Region {
		return invalidParameter("Invalid ARN: the resource belongs to another account or region.")
	}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	cluster, id, _ := strings.Cut(rest, "/")
	switch kind {
	case "cluster":
		_, err = activeCluster(ctx, q, scope, rest)
		return err
	case "task-definition":
		var family string
		var revision int64
		if family, revision, err = parseRevision(scope, resource); err == nil {
			_, err = record.FindTaskDefinition(ctx, q, scope, family, revision)
		}
	case "container-instance":
		_, err = record.FindInstance(ctx, q, scope, cluster, id)
	case "task":
		_, err = record.FindTask(ctx, q, scope, cluster, id)
	case "service":
		_, err = record.FindService(ctx, q, scope, cluster, id)
	case "capacity-provider":
		_, err = record.FindCapacityProvider(ctx, q, scope, rest)
	default:
		return invalidParameter("Invalid ARN: resources of the kind %q have no tags here.", kind)
	}
	if errors.Is(err, meta.ErrNotFound) {
		return &types.ResourceNotFoundException{Message: to("The specified resource is not found. You can view your available resources with the list operations.")}
	}
	return err
}
