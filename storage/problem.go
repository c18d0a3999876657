package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// Problem is something that a verification has found.
type Problem struct {
	Kind ProblemKind `json:"kind"`
	// Subject names what is wrong. No two problems of a verification have the same.
	Subject string `json:"subject"`
	// Says what is wrong, and Advice what was done about it or is to be done, in a
	// sentence each.
	Says   string `json:"says"`
	Advice string `json:"advice"`
	// Mended problems are none any more. Lost content is what only a push can bring
	// back; all else Repair mends.
	Mended bool `json:"mended,omitempty"`
	Lost   bool `json:"lost,omitempty"`
	// Images are those that need what is wrong, as account/region/repository:tag@digest;
	// where there are very many, More is set and the rest left out.
	Images []string `json:"images,omitempty"`
	More   bool     `json:"more_images,omitempty"`
}

// ProblemKind sorts problems.
type ProblemKind string

// The kinds of problems.
const (
	// BlobMissing: the bytes of a blob are not there.
	BlobMissing ProblemKind = "blob-missing"
	// BlobDamaged: they are not those of its digest, or of another length.
	BlobDamaged ProblemKind = "blob-damaged"
	// BlobUnreadable: reading them fails, and it is not known why.
	BlobUnreadable ProblemKind = "blob-unreadable"
	// BlobUnrecorded: an image needs a blob that no record tells of.
	BlobUnrecorded ProblemKind = "blob-unrecorded"
	// BlobForgotten: no repository holds a blob, and nobody would ever see to that.
	BlobForgotten ProblemKind = "blob-forgotten"
	// TrashDamaged: something in the trash could not be brought back.
	TrashDamaged ProblemKind = "trash-damaged"
	// FileOrphaned: no record tells of a file.
	FileOrphaned ProblemKind = "file-orphaned"
	// LinkMissing: a repository does not hold what one of its images needs.
	LinkMissing ProblemKind = "link-missing"
	// LinkStray: a repository holds what does not exist, or does not exist itself.
	LinkStray ProblemKind = "link-stray"
	// LinkForgotten: a repository holds a blob without need, and nobody would ever
	// see to that.
	LinkForgotten ProblemKind = "link-forgotten"
	// ImageDamaged: the bytes of a manifest are not those of its digest.
	ImageDamaged ProblemKind = "image-damaged"
	// ImageMissing: an index or a tag names an image that is not there.
	ImageMissing ProblemKind = "image-missing"
	// ImageMisread: what is recorded of an image is not what its manifest says.
	ImageMisread ProblemKind = "image-misread"
	// RecordStray: a record belongs to something that does not exist.
	RecordStray ProblemKind = "record-stray"
	// CountWrong: what a repository or an account is charged for is not what it has.
	CountWrong ProblemKind = "count-wrong"
)

// ProblemKinds are all kinds.
func ProblemKinds() []ProblemKind {
	return []ProblemKind{
		BlobMissing, BlobDamaged, BlobUnreadable, BlobUnrecorded, BlobForgotten, TrashDamaged, FileOrphaned,
		LinkMissing, LinkStray, LinkForgotten, ImageDamaged, ImageMissing, ImageMisread, RecordStray, CountWrong,
	}
}

const (
	adviseRepair = "drydock verify --repair mends it"
	mended       = "it was mended"
)

// mendable is a problem that Repair mends, and has mended where mend is set.
func mendable(kind ProblemKind, mend bool, subject, says string, args ...any) Problem {
	p := Problem{Kind: kind, Subject: subject, Says: fmt.Sprintf(says, args...), Advice: adviseRepair, Mended: mend}
	if mend {
		p.Advice = mended
	}
	return p
}

func blobSubject(d string) string { return "layer " + d }

func imageSubject(where, d string) string { return "image " + where + "@" + d }

// stored is the problem as it is kept for later: of the images only some.
func (p Problem) stored() (string, error) {
	const enough = 20
	if len(p.Images) > enough {
		p.Images, p.More = p.Images[:enough], true
	}
	b, err := json.Marshal(p)
	return string(b), err
}

// mostImages is how many images a problem names at most.
const mostImages = 10 * Most

// needing names the images that need a blob, in all repositories.
func needing(ctx context.Context, q meta.Querier, blob string) (images []string, more bool, err error) {
	list, err := meta.ImagesNeeding(ctx, q, blob, false, mostImages)
	if err != nil {
		return nil, false, fmt.Errorf("look for images that need %s: %w", blob, err)
	}
	for _, n := range list {
		names, err := namesOf(ctx, q, n.Repository, n.Digest)
		if err != nil {
			return nil, false, err
		}
		images = append(images, names...)
	}
	return images, len(list) == mostImages, nil
}

// namesOf names an image as people know it: by each of its tags or, where it has
// none, by those of the indexes that list it.
func namesOf(ctx context.Context, q meta.Querier, repo meta.Repository, d string) ([]string, error) {
	tags, err := meta.TagsOf(ctx, q, repo.ID, d)
	if err != nil {
		return nil, fmt.Errorf("read the tags of %s: %w", d, err)
	}
	where := placeOf(repo)
	var names []string
	for _, t := range tags {
		names = append(names, where+":"+t+"@"+d)
	}
	if len(names) > 0 {
		return names, nil
	}
	index, err := meta.ParentOf(ctx, q, repo.ID, d, true)
	if errors.Is(err, meta.ErrNotFound) {
		return []string{where + "@" + d}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for indexes of %s: %w", d, err)
	}
	tags, err = meta.TagsOf(ctx, q, repo.ID, index)
	if err != nil {
		return nil, fmt.Errorf("read the tags of %s: %w", index, err)
	}
	for _, t := range tags {
		names = append(names, where+":"+t+"@"+index+" (its "+d+")")
	}
	if len(names) == 0 {
		names = []string{where + "@" + index + " (its " + d + ")"}
	}
	return names, nil
}

// placeOf is a repository as Problem names it.
func placeOf(r meta.Repository) string {
	return strings.Join([]string{r.Account, r.Region, r.Name}, "/")
}

// pushAgain advises on content that is lost.
func pushAgain(images int) string {
	if images == 1 {
		return "push the image again, or delete it: a push of the same bytes, to any repository, makes it whole"
	}
	return "push any of the images again, or delete them all: a push of the same bytes, to any repository, makes all of them whole"
}

// digestOf computes the digest of content by the algorithm of another.
func digestOf(content []byte, like digest.Digest) digest.Digest {
	return like.Algorithm().FromBytes(content)
}
