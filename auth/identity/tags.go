package identity

import (
	"context"
	"fmt"
	"strings"

	"drydock/storage/meta"
)

// TagsOf reads the tags of a user, role, policy or instance profile. Errors:
// *NoSuchError.
func (s *Store) TagsOf(ctx context.Context, account string, of Entity) (map[string]string, error) {
	q := s.reader()
	e, err := find(ctx, q, account, of)
	if err != nil {
		return nil, err
	}
	return readTags(ctx, q, e.arn())
}

// Tag sets tags. A key that differs from one that is there in case only takes
// its place. Errors: *NoSuchError, *LimitError.
func (s *Store) Tag(ctx context.Context, account string, of Entity, tags map[string]string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		e, err := find(ctx, q, account, of)
		if err != nil {
			return err
		}
		return setTags(ctx, q, e.arn(), tags)
	})
}

// Untag removes tags; they need not be there. Errors: *NoSuchError.
func (s *Store) Untag(ctx context.Context, account string, of Entity, keys []string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		e, err := find(ctx, q, account, of)
		if err != nil {
			return err
		}
		there, err := readTags(ctx, q, e.arn())
		if err != nil {
			return err
		}
		for k := range there {
			for _, key := range keys {
				if strings.EqualFold(k, key) {
					if err := meta.DeleteResourceTag(ctx, q, e.arn(), k); err != nil {
						return fmt.Errorf("untag %s: %w", e.arn(), err)
					}
				}
			}
		}
		return nil
	})
}

func readTags(ctx context.Context, q meta.Querier, arn string) (map[string]string, error) {
	tags, err := meta.ResourceTags(ctx, q, arn)
	if err != nil {
		return nil, fmt.Errorf("read the tags of %s: %w", arn, err)
	}
	return tags, nil
}

func setTags(ctx context.Context, q meta.Querier, arn string, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	there, err := readTags(ctx, q, arn)
	if err != nil {
		return err
	}
	for key, value := range tags {
		for k := range there {
			if k != key && strings.EqualFold(k, key) {
				if err := meta.DeleteResourceTag(ctx, q, arn, k); err != nil {
					return fmt.Errorf("tag %s: %w", arn, err)
				}
				delete(there, k)
			}
		}
		if err := meta.SetResourceTag(ctx, q, arn, key, value); err != nil {
			return fmt.Errorf("tag %s: %w", arn, err)
		}
		there[key] = value
	}
	if len(there) > TagsPerEntity {
		return &LimitError{fmt.Sprintf("The number of tags has reached the maximum limit of %d.", TagsPerEntity)}
	}
	return nil
}

// moveTags keeps the tags of what has got another ARN.
func moveTags(ctx context.Context, q meta.Querier, from, to string) error {
	if from == to {
		return nil
	}
	if _, err := q.ExecContext(ctx, `UPDATE resource_tag SET resource = $2 WHERE resource = $1`, from, to); err != nil {
		return fmt.Errorf("move the tags of %s: %w", from, err)
	}
	return nil
}
