package declare

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"drydock/auth/identity"
)

// tagText is what keys and values of tags consist of.
// Source: IAM API Reference, Tag.
var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// tags reads the tags of an entry.
func (e *entry) tags() map[string]string {
	if !e.has("tags") {
		return nil
	}
	tags := map[string]string{}
	folded := map[string]bool{}
	for _, kv := range e.r.pairs(e.place, e.fields["tags"]) {
		at := e.on(kv.line)
		switch {
		case !isText(kv.value):
			e.r.failed(at.errorf("the tag %s has one value", kv.key))
			continue
		case kv.key == "" || utf8.RuneCountInString(kv.key) > 128 || !tagText.MatchString(kv.key):
			e.r.failed(at.errorf("%q cannot be the key of a tag: it has 1 to 128 letters, digits, spaces and any of _.:/=+-@", kv.key))
		case strings.HasPrefix(fold(kv.key), "aws:"):
			e.r.failed(at.errorf("the tag %s is AWS's: keys of tags do not begin with aws:", kv.key))
		case utf8.RuneCountInString(kv.value.Value) > 256 || !tagText.MatchString(kv.value.Value):
			e.r.failed(at.errorf("the value of tag %s has at most 256 letters, digits, spaces and any of _.:/=+-@", kv.key))
		case folded[fold(kv.key)]:
			e.r.failed(at.errorf("the tag %s is there twice: IAM does not distinguish keys of tags by case", kv.key))
		}
		folded[fold(kv.key)] = true
		tags[kv.key] = kv.value.Value
	}
	if len(tags) > identity.TagsPerEntity {
		e.failf("tags", "there are %d tags, and IAM takes %d", len(tags), identity.TagsPerEntity)
	}
	return tags
}

// tags sets the declared tags of what is there; others stay.
func (p *planner) tags(ctx context.Context, at place, account string, of identity.Entity, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	current, err := p.store.TagsOf(ctx, account, of)
	if err != nil {
		return at.errorf("%w", err)
	}
	set := map[string]string{}
	for k, v := range tags {
		if there, ok := current[k]; !ok || there != v {
			set[k] = v
		}
	}
	if len(set) == 0 {
		return nil
	}
	after := map[string]bool{}
	for _, m := range []map[string]string{current, tags} {
		for k := range m {
			after[fold(k)] = true
		}
	}
	if len(after) > identity.TagsPerEntity {
		return at.errorf("with the tags that it has there would be %d, and IAM takes %d", len(after), identity.TagsPerEntity)
	}
	p.step(at, "tag it with "+strings.Join(slices.Sorted(maps.Keys(set)), ", "), func(ctx context.Context) error {
		return p.store.Tag(ctx, account, of, set)
	})
	return nil
}
