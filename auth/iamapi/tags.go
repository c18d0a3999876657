package iamapi

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// requestTags are the condition keys of a request that gives tags.
func requestTags(tags []types.Tag) keys {
	if len(tags) == 0 {
		return nil
	}
	k := keys{}
	for _, t := range tags {
		k["aws:requesttag/"+strings.ToLower(deref(t.Key))] = []string{deref(t.Value)}
		k["aws:tagkeys"] = append(k["aws:tagkeys"], deref(t.Key))
	}
	return k
}

// tagMap checks and collects the tags of a request. IAM does not distinguish keys
// by case.
func tagMap(tags []types.Tag) (map[string]string, error) {
	m := make(map[string]string, len(tags))
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		key := deref(t.Key)
		folded := strings.ToLower(key)
		switch {
		case strings.HasPrefix(folded, "aws:"):
			return nil, invalidInput("Tag keys beginning with aws: are reserved for use by AWS. Tag key: %s", key)
		case seen[folded]:
			return nil, invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[folded] = true
		m[key] = deref(t.Value)
	}
	return m, nil
}

// tagList is tags as IAM shows them, in the order of their keys.
func tagList(m map[string]string) []types.Tag {
	tags := make([]types.Tag, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		tags = append(tags, types.Tag{Key: &key, Value: to(m[key])})
	}
	return tags
}

// someTags is tags where there are any, nothing where there are none.
func someTags(m map[string]string) []types.Tag {
	if len(m) == 0 {
		return nil
	}
	return tagList(m)
}
