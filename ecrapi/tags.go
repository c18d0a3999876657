package ecrapi

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/awsapi"
	"drydock/internal/arn"
	"drydock/storage"
)

// What AWS allows of resource tags, lengths in characters.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-using-tags.html
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// TagResource sets tags of a repository; others it has stay.
func (s *Service) TagResource(ctx context.Context, in *ecr.TagResourceInput) (*ecr.TagResourceOutput, error) {
	ref, err := taggable(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := resourceTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := s.engine.TagRepository(ctx, ref, tags, maxTags); err != nil {
		return nil, exception(err, about{ref: ref})
	}
	return &ecr.TagResourceOutput{}, nil
}

func needsTagResource(ctx context.Context, in *ecr.TagResourceInput) ([]awsapi.Need, error) {
	ref, err := taggable(ctx, in.ResourceArn)
	return withKeys(needOn(ref, "ecr:TagResource"), tagKeys(in.Tags)), err
}

// UntagResource removes tags of a repository; keys it does not have are no
// error.
func (s *Service) UntagResource(ctx context.Context, in *ecr.UntagResourceInput) (*ecr.UntagResourceOutput, error) {
	ref, err := taggable(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if err := s.engine.UntagRepository(ctx, ref, in.TagKeys); err != nil {
		return nil, exception(err, about{ref: ref})
	}
	return &ecr.UntagResourceOutput{}, nil
}

func needsUntagResource(ctx context.Context, in *ecr.UntagResourceInput) ([]awsapi.Need, error) {
	ref, err := taggable(ctx, in.ResourceArn)
	return withKeys(needOn(ref, "ecr:UntagResource"), map[string][]string{"aws:tagkeys": in.TagKeys}), err
}

// tagKeys are the condition keys of tags that a request brings. Conditions do not
// tell the case of tags apart, while repositories do: of tags that differ in
// nothing else neither is seen, so that one cannot be brought under cover of the
// other.
// Source: IAM User Guide, "AWS global condition context keys", aws:RequestTag.
func tagKeys(tags []types.Tag) map[string][]string {
	if len(tags) == 0 {
		return nil
	}
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

func withKeys(needs []awsapi.Need, keys map[string][]string) []awsapi.Need {
	for i := range needs {
		needs[i].Keys = keys
	}
	return needs
}

// ListTagsForResource lists the tags of a repository by key.
func (s *Service) ListTagsForResource(ctx context.Context, in *ecr.ListTagsForResourceInput) (*ecr.ListTagsForResourceOutput, error) {
	ref, err := taggable(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := s.engine.ResourceTags(ctx, ref)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	out := &ecr.ListTagsForResourceOutput{Tags: make([]types.Tag, 0, len(tags))}
	for key, value := range tags {
		out.Tags = append(out.Tags, types.Tag{Key: &key, Value: &value})
	}
	slices.SortFunc(out.Tags, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return out, nil
}

func needsListTagsForResource(ctx context.Context, in *ecr.ListTagsForResourceInput) ([]awsapi.Need, error) {
	ref, err := taggable(ctx, in.ResourceArn)
	return needOn(ref, "ecr:ListTagsForResource"), err
}

// taggable reads the ARN of a repository. It must lie in the region of the
// call: a region's endpoint answers for its own resources only.
func taggable(ctx context.Context, resource *string) (storage.Ref, error) {
	a, err := arn.Parse(deref(resource))
	name, isRepository := strings.CutPrefix(a.Resource, "repository/")
	region := awsapi.CallFrom(ctx).Region
	switch {
	case err != nil || !isRepository || name == "" || a.Service != "ecr" || a.Account == "":
		return storage.Ref{}, invalidParameter("resourceArn", "Invalid ARN")
	case a.Region != region:
		return storage.Ref{}, invalidParameter("resourceArn", "the repository is in %s, but this request went to %s", a.Region, region)
	}
	return storage.Ref{Scope: storage.Scope{Account: a.Account, Region: a.Region}, Name: name}, nil
}

// resourceTags checks and collects the tags of a request.
func resourceTags(tags []types.Tag) (map[string]string, error) {
	if len(tags) > maxTags {
		return nil, exception(&storage.TooManyTagsError{Max: maxTags}, about{})
	}
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		key, value := deref(t.Key), deref(t.Value)
		_, twice := m[key]
		switch {
		case key == "" || utf8.RuneCountInString(key) > maxTagKey:
			return nil, invalidTag("the tag key '%s' must have 1 to %d characters", key, maxTagKey)
		case utf8.RuneCountInString(value) > maxTagValue:
			return nil, invalidTag("the value of the tag '%s' must have at most %d characters", key, maxTagValue)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, invalidTag("the tag key '%s' begins with aws:, which is kept for Amazon's own tags", key)
		case twice:
			return nil, invalidTag("the tag key '%s' is given twice", key)
		}
		m[key] = value
	}
	return m, nil
}

func invalidTag(format string, args ...any) error {
	return &types.InvalidTagParameterException{Message: sentence("Invalid parameter at 'tags': "+format, args...)}
}
