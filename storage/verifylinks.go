package storage

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// links looks at what repositories hold.
func (v *verification) links(ctx context.Context) error {
	q := v.r.db.Reader()
	list := func(after string) ([]meta.SurveyedLink, error) {
		repo, d := cutKey(after)
		return meta.SurveyLinks(ctx, q, repo, d, pageSize)
	}
	name := func(l meta.SurveyedLink) string { return key(l.RepositoryID, l.Digest) }
	return walk(ctx, v, list, name, func(l meta.SurveyedLink) error {
		if linkDefect(l) == sound {
			return nil
		}
		return v.settle(ctx, func(q meta.Querier, mend bool) ([]Problem, error) {
			return v.link(ctx, q, l.RepositoryID, l.Digest, mend)
		})
	})
}

// linkState is what may be wrong with a link.
type linkState int

const (
	sound linkState = iota
	ofNoRepository
	ofNoBlob
	needless
	missized
)

func linkDefect(l meta.SurveyedLink) linkState {
	switch {
	case !l.Repository:
		return ofNoRepository
	case !l.Blob && !l.Needed:
		return ofNoBlob
	case !l.Needed && !l.Reviewed:
		return needless
	case l.Missized:
		return missized
	}
	return sound
}

func (v *verification) link(ctx context.Context, q meta.Querier, repository int64, d string, mend bool) ([]Problem, error) {
	l, err := meta.SurveyLink(ctx, q, repository, d)
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at what a repository holds: %w", err)
	}
	state := linkDefect(l)
	if state == sound {
		return nil, nil
	}
	where := fmt.Sprintf("repository %d", repository)
	if l.Repository {
		repo, err := meta.RepositoryByID(ctx, q, repository)
		if err != nil {
			return nil, fmt.Errorf("find repository %d: %w", repository, err)
		}
		where = placeOf(repo)
	}
	subject := "link " + where + " " + d
	var p Problem
	switch state {
	case ofNoRepository:
		p = mendable(LinkStray, mend, subject, "%s, which does not exist, holds the layer %s", where, d)
	case ofNoBlob:
		p = mendable(LinkStray, mend, subject, "%s holds the layer %s, which does not exist and which no image needs", where, d)
	case needless:
		p = mendable(LinkForgotten, mend, subject, "%s holds the layer %s, which no image needs, and it would never be collected", where, d)
	case missized:
		p = mendable(CountWrong, mend, subject, "%s is charged for another size of the layer %s than it has", where, d)
	}
	if !mend {
		return []Problem{p}, nil
	}
	switch state {
	case ofNoRepository, ofNoBlob:
		// What it was charged for is counted again below.
		if _, err = meta.UnlinkBlob(ctx, q, repository, d); err == nil && l.Blob {
			err = v.r.reviewLater(ctx, q, meta.Everywhere, digest.Digest(d))
		}
	case needless:
		err = v.r.reviewLater(ctx, q, repository, digest.Digest(d))
	case missized:
		err = meta.ResizeLink(ctx, q, repository, d)
	}
	if err != nil {
		return nil, fmt.Errorf("mend what %s holds: %w", where, err)
	}
	return []Problem{p}, nil
}

// references looks for what images need that do not exist: it would be kept for
// ever.
func (v *verification) references(ctx context.Context) error {
	q := v.r.db.Reader()
	list := func(after string) ([]meta.SurveyedReferences, error) {
		repo, d := cutKey(after)
		return meta.SurveyReferences(ctx, q, meta.ManifestKey{RepositoryID: repo, Digest: d}, pageSize)
	}
	name := func(s meta.SurveyedReferences) string { return key(s.RepositoryID, s.Digest) }
	return walk(ctx, v, list, name, func(s meta.SurveyedReferences) error {
		if s.Exists {
			return nil
		}
		return v.settle(ctx, func(q meta.Querier, mend bool) ([]Problem, error) {
			there, err := meta.HasManifest(ctx, q, s.RepositoryID, s.Digest)
			if err != nil || there {
				return nil, err
			}
			refs, err := meta.References(ctx, q, s.ManifestKey)
			if err != nil || len(refs) == 0 {
				return nil, err
			}
			p := mendable(RecordStray, mend, "references "+key(s.RepositoryID, s.Digest), "the image %s does not exist, and still needs %d things", s.Digest, len(refs))
			if !mend {
				return []Problem{p}, nil
			}
			if err := meta.ReviewBlobsOf(ctx, q, s.RepositoryID, s.Digest, v.r.due()); err != nil {
				return nil, fmt.Errorf("note what %s needed: %w", s.Digest, err)
			}
			return []Problem{p}, meta.DropManifest(ctx, q, s.ManifestKey)
		})
	})
}

// tags looks for tags that point at nothing.
func (v *verification) tags(ctx context.Context) error {
	q := v.r.db.Reader()
	list := func(after string) ([]meta.SurveyedTag, error) {
		repo, tag := cutKey(after)
		return meta.SurveyTags(ctx, q, repo, tag, pageSize)
	}
	name := func(t meta.SurveyedTag) string { return key(t.RepositoryID, t.Name) }
	return walk(ctx, v, list, name, func(t meta.SurveyedTag) error {
		if t.Repository && t.Image {
			return nil
		}
		return v.settle(ctx, func(q meta.Querier, mend bool) ([]Problem, error) { return v.tag(ctx, q, t.RepositoryID, t.Name, mend) })
	})
}

func (v *verification) tag(ctx context.Context, q meta.Querier, repository int64, name string, mend bool) ([]Problem, error) {
	t, err := meta.SurveyTag(ctx, q, repository, name)
	if errors.Is(err, meta.ErrNotFound) || err == nil && t.Repository && t.Image {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the tag %s: %w", name, err)
	}
	if !t.Repository {
		p := mendable(RecordStray, mend, "tag "+key(repository, name), "the tag %s is of the repository %d, which does not exist", name, repository)
		if mend {
			err = meta.DeleteTag(ctx, q, repository, name)
		}
		return []Problem{p}, err
	}
	repo, err := meta.RepositoryByID(ctx, q, repository)
	if err != nil {
		return nil, fmt.Errorf("find repository %d: %w", repository, err)
	}
	return v.missingImage(ctx, q, repo, t.Digest, mend)
}

// counts counts what every repository has, and accountCounts what every account has.
func (v *verification) counts(ctx context.Context) error {
	q := v.r.db.Reader()
	list := func(after string) ([]meta.Repository, error) {
		id, err := strconv.ParseInt(after, 10, 64)
		if err != nil {
			id = -1
		}
		return meta.SurveyRepositories(ctx, q, id, pageSize)
	}
	name := func(repo meta.Repository) string { return strconv.FormatInt(repo.ID, 10) }
	return walk(ctx, v, list, name, func(repo meta.Repository) error {
		wrong, err := v.r.Recount(ctx, Ref{Scope{repo.Account, repo.Region}, repo.Name}, v.o.Repair)
		var gone *RepositoryUnknownError
		if errors.As(err, &gone) {
			return nil
		}
		return v.miscount(ctx, placeOf(repo), wrong, err)
	})
}

func (v *verification) accountCounts(ctx context.Context) error {
	q := v.r.db.Reader()
	list := func(after string) ([]string, error) { return meta.SurveyAccounts(ctx, q, after, pageSize) }
	name := func(account string) string { return account }
	return walk(ctx, v, list, name, func(account string) error {
		wrong, err := v.r.RecountAccount(ctx, account, v.o.Repair)
		return v.miscount(ctx, account, wrong, err)
	})
}

func (v *verification) miscount(ctx context.Context, where string, wrong *Miscount, err error) error {
	if err != nil || wrong == nil {
		return err
	}
	return v.settle(ctx, func(_ meta.Querier, mend bool) ([]Problem, error) {
		return []Problem{mendable(CountWrong, mend, "count "+where, "%s is charged for %d bytes in %d images, and has %d in %d",
			where, wrong.Charged.Bytes, wrong.Charged.Images, wrong.Held.Bytes, wrong.Held.Images)}, nil
	})
}
