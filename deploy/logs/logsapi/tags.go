package logsapi

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"drydock/awsapi"
	"drydock/storage/meta"
)

// What CloudWatch Logs allows of tags, lengths in characters.
// Source: API Reference, TagResource.
const (
	mostTags      = 50
	longestTagKey = 128
	longestTag    = 256
)

// tagKeys are the condition keys of tags that a request brings. Conditions do not tell
// the case of tags apart: of tags that differ in nothing else neither is seen.
func tagKeys(tags map[string]string) map[string][]string {
	keys := make(map[string][]string, len(tags)+1)
	for k, v := range tags {
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], k)
		key, value := "aws:requesttag/"+strings.ToLower(k), []string{v}
		if _, twice := keys[key]; twice {
			value = nil
		}
		keys[key] = value
	}
	return keys
}

func checkTags(tags map[string]string) error {
	for k, v := range tags {
		switch n := utf8.RuneCountInString(k); {
		case n < 1 || n > longestTagKey:
			return invalidParameter("The tag key %q must have 1 to %d characters.", k, longestTagKey)
		case utf8.RuneCountInString(v) > longestTag:
			return invalidParameter("The value of the tag %q must have at most %d characters.", k, longestTag)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return invalidParameter("Tag keys that begin with aws: are kept for Amazon's own tags.")
		}
	}
	return nil
}

// putTags sets tags of a resource; others it has stay.
func putTags(ctx context.Context, q meta.Querier, arn string, tags map[string]string) error {
	for k, v := range tags {
		if err := meta.SetResourceTag(ctx, q, arn, k, v); err != nil {
			return fmt.Errorf("tag %s: %w", arn, err)
		}
	}
	now, err := meta.ResourceTags(ctx, q, arn)
	if err != nil {
		return fmt.Errorf("read the tags of %s: %w", arn, err)
	}
	if len(now) > mostTags {
		return &types.TooManyTagsException{Message: to(fmt.Sprintf("A log group can have at most %d tags.", mostTags))}
	}
	return nil
}

func (s *Service) tag(ctx context.Context, group string, tags map[string]string) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	return exception(s.store.WithGroup(ctx, scopeOf(ctx), group, func(q meta.Querier) error {
		return putTags(ctx, q, groupARN(scopeOf(ctx), group), tags)
	}))
}

func (s *Service) untag(ctx context.Context, group string, keys []string) error {
	return exception(s.store.WithGroup(ctx, scopeOf(ctx), group, func(q meta.Querier) error {
		for _, k := range keys {
			if err := meta.DeleteResourceTag(ctx, q, groupARN(scopeOf(ctx), group), k); err != nil {
				return fmt.Errorf("untag log group %s: %w", group, err)
			}
		}
		return nil
	}))
}

func (s *Service) tagsOf(ctx context.Context, group string) (map[string]string, error) {
	if _, err := s.store.Group(ctx, scopeOf(ctx), group); err != nil {
		return nil, exception(err)
	}
	tags, err := meta.ResourceTags(ctx, s.db.Reader(), groupARN(scopeOf(ctx), group))
	return tags, exception(err)
}

// TagResource sets tags of a log group; others it has stay.
func (s *Service) TagResource(ctx context.Context, in *cloudwatchlogs.TagResourceInput) (*cloudwatchlogs.TagResourceOutput, error) {
	group, err := groupOfARN(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.TagResourceOutput{}, s.tag(ctx, group, in.Tags)
}

func needsTagResource(ctx context.Context, in *cloudwatchlogs.TagResourceInput) ([]awsapi.Need, error) {
	group, err := groupOfARN(ctx, *in.ResourceArn)
	return needOnTags(ctx, "TagResource", group, tagKeys(in.Tags)), err
}

// UntagResource removes tags of a log group; keys it does not have are no error.
func (s *Service) UntagResource(ctx context.Context, in *cloudwatchlogs.UntagResourceInput) (*cloudwatchlogs.UntagResourceOutput, error) {
	group, err := groupOfARN(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.UntagResourceOutput{}, s.untag(ctx, group, in.TagKeys)
}

func needsUntagResource(ctx context.Context, in *cloudwatchlogs.UntagResourceInput) ([]awsapi.Need, error) {
	group, err := groupOfARN(ctx, *in.ResourceArn)
	return needOnTags(ctx, "UntagResource", group, map[string][]string{"aws:tagkeys": in.TagKeys}), err
}

// ListTagsForResource returns the tags of a log group.
func (s *Service) ListTagsForResource(ctx context.Context, in *cloudwatchlogs.ListTagsForResourceInput) (*cloudwatchlogs.ListTagsForResourceOutput, error) {
	group, err := groupOfARN(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, group)
	return &cloudwatchlogs.ListTagsForResourceOutput{Tags: tags}, err
}

func needsListTagsForResource(ctx context.Context, in *cloudwatchlogs.ListTagsForResourceInput) ([]awsapi.Need, error) {
	group, err := groupOfARN(ctx, *in.ResourceArn)
	return needOnTags(ctx, "ListTagsForResource", group, nil), err
}

// TagLogGroup is TagResource by name, as clients of old know it.
func (s *Service) TagLogGroup(ctx context.Context, in *cloudwatchlogs.TagLogGroupInput) (*cloudwatchlogs.TagLogGroupOutput, error) {
	return &cloudwatchlogs.TagLogGroupOutput{}, s.tag(ctx, *in.LogGroupName, in.Tags)
}

func needsTagLogGroup(ctx context.Context, in *cloudwatchlogs.TagLogGroupInput) ([]awsapi.Need, error) {
	return needOnTags(ctx, "TagLogGroup", *in.LogGroupName, tagKeys(in.Tags)), nil
}

// UntagLogGroup is UntagResource by name.
func (s *Service) UntagLogGroup(ctx context.Context, in *cloudwatchlogs.UntagLogGroupInput) (*cloudwatchlogs.UntagLogGroupOutput, error) {
	return &cloudwatchlogs.UntagLogGroupOutput{}, s.untag(ctx, *in.LogGroupName, in.Tags)
}

func needsUntagLogGroup(ctx context.Context, in *cloudwatchlogs.UntagLogGroupInput) ([]awsapi.Need, error) {
	return needOnTags(ctx, "UntagLogGroup", *in.LogGroupName, map[string][]string{"aws:tagkeys": in.Tags}), nil
}

// ListTagsLogGroup is ListTagsForResource by name.
func (s *Service) ListTagsLogGroup(ctx context.Context, in *cloudwatchlogs.ListTagsLogGroupInput) (*cloudwatchlogs.ListTagsLogGroupOutput, error) {
	tags, err := s.tagsOf(ctx, *in.LogGroupName)
	return &cloudwatchlogs.ListTagsLogGroupOutput{Tags: tags}, err
}

func needsListTagsLogGroup(ctx context.Context, in *cloudwatchlogs.ListTagsLogGroupInput) ([]awsapi.Need, error) {
	return needOnTags(ctx, "ListTagsLogGroup", *in.LogGroupName, nil), nil
}
