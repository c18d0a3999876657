package ecrapi

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"drydock/awsapi"
	"drydock/storage"
)

// ListImages lists the image ids of a repository by digest and tag: an image
// once with each of its tags, or once without any.
func (s *Service) ListImages(ctx context.Context, in *ecr.ListImagesInput) (*ecr.ListImagesOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	var f types.ListImagesFilter
	if in.Filter != nil {
		f = *in.Filter
	}
	list := listing{"ListImages", ref, string(f.TagStatus) + " " + string(f.ImageStatus)}
	after, err := list.after(in.NextToken, 2)
	if err != nil {
		return nil, err
	}
	size := pageSize(in.MaxResults)
	last := storage.ImageID{Digest: digest.Digest(after[0]), Tag: after[1]}
	filter := filterOf(f.TagStatus, f.ImageStatus)
	if filter.UpTo, err = s.engine.Reach(ctx, ref, filter, last.Digest); err != nil {
		return nil, exception(err, about{ref: ref})
	}
	found, err := s.engine.FilteredImageIDs(ctx, ref, filter, last, size+1)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	found, more := cut(found, size)
	out := &ecr.ListImagesOutput{ImageIds: make([]types.ImageIdentifier, 0, len(found))}
	for _, id := range found {
		out.ImageIds = append(out.ImageIds, identifier(id))
	}
	switch {
	case more:
		last = found[len(found)-1]
		out.NextToken = list.token(last.Digest.String(), last.Tag)
	case filter.UpTo != "":
		out.NextToken = list.token(filter.UpTo.String(), afterTags)
	}
	return out, nil
}

// afterTags is behind each tag.
const afterTags = "~"

func needsListImages(ctx context.Context, in *ecr.ListImagesInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:ListImages"), nil
}

// DescribeImages describes the images named, or all of a repository by digest,
// page by page.
func (s *Service) DescribeImages(ctx context.Context, in *ecr.DescribeImagesInput) (*ecr.DescribeImagesOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	var f types.DescribeImagesFilter
	if in.Filter != nil {
		f = *in.Filter
	}
	if len(in.ImageIds) > 0 {
		return s.describeImageIDs(ctx, ref, in, f)
	}
	list := listing{"DescribeImages", ref, string(f.TagStatus) + " " + string(f.ImageStatus)}
	after, err := list.after(in.NextToken, 1)
	if err != nil {
		return nil, err
	}
	size := pageSize(in.MaxResults)
	filter := filterOf(f.TagStatus, f.ImageStatus)
	if filter.UpTo, err = s.engine.Reach(ctx, ref, filter, digest.Digest(after[0])); err != nil {
		return nil, exception(err, about{ref: ref})
	}
	found, err := s.engine.FilteredImages(ctx, ref, filter, digest.Digest(after[0]), size+1)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	found, more := cut(found, size)
	out := &ecr.DescribeImagesOutput{ImageDetails: make([]types.ImageDetail, 0, len(found))}
	for _, i := range found {
		out.ImageDetails = append(out.ImageDetails, detail(ref, i))
	}
	if err := s.tellScans(ctx, ref, out.ImageDetails); err != nil {
		return nil, exception(err, about{ref: ref})
	}
	switch {
	case more:
		out.NextToken = list.token(found[len(found)-1].Digest.String())
	case filter.UpTo != "":
		out.NextToken = list.token(filter.UpTo.String())
	}
	return out, nil
}

func needsDescribeImages(ctx context.Context, in *ecr.DescribeImagesInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:DescribeImages"), nil
}

// describeImageIDs describes each image named once, however often it is named.
// The first that does not exist fails the request.
func (s *Service) describeImageIDs(ctx context.Context, ref storage.Ref, in *ecr.DescribeImagesInput, f types.DescribeImagesFilter) (*ecr.DescribeImagesOutput, error) {
	if in.MaxResults != nil {
		return nil, invalidParameter("maxResults", "maxResults cannot be used together with imageIds")
	}
	if in.NextToken != nil {
		return nil, invalidParameter("nextToken", "nextToken cannot be used together with imageIds")
	}
	out := &ecr.DescribeImagesOutput{ImageDetails: []types.ImageDetail{}}
	seen := map[digest.Digest]bool{}
	for _, id := range in.ImageIds {
		which, bad := referenceOf(id)
		if bad != nil {
			return nil, invalidParameter("imageIds", "%s", bad.reason)
		}
		i, err := s.engine.Image(ctx, ref, which)
		if err != nil {
			return nil, exception(err, about{ref: ref})
		}
		if wanted(i, f) && !seen[i.Digest] {
			seen[i.Digest] = true
			out.ImageDetails = append(out.ImageDetails, detail(ref, i))
		}
	}
	if err := s.tellScans(ctx, ref, out.ImageDetails); err != nil {
		return nil, exception(err, about{ref: ref})
	}
	return out, nil
}

func wanted(i storage.Image, f types.DescribeImagesFilter) bool {
	if f.ImageStatus != "" && statusOf(string(f.ImageStatus)) != storage.AnyStatus && statusOf(string(f.ImageStatus)) != i.Status {
		return false // without a filter, whoever names an image means it
	}
	switch tagStatusOf(f.TagStatus) {
	case storage.Tagged:
		return len(i.Tags) > 0
	case storage.Untagged:
		return len(i.Tags) == 0
	}
	return true
}

// detail is an image as ECR shows it.
func detail(ref storage.Ref, i storage.Image) types.ImageDetail {
	pushed, size := i.PushedAt, i.Size
	d := types.ImageDetail{
		RegistryId:             text(ref.Account),
		RepositoryName:         text(ref.Name),
		ImageDigest:            text(i.Digest),
		ImageTags:              i.Tags,
		ImageSizeInBytes:       &size,
		ImagePushedAt:          &pushed,
		ImageManifestMediaType: text(i.MediaType),
		ArtifactMediaType:      text(i.ArtifactType),
		SubjectManifestDigest:  text(i.Subject),
		ImageStatus:            types.ImageStatus(i.Status),
		LastRecordedPullTime:   when(i.PulledAt),
		LastArchivedAt:         when(i.ArchivedAt),
		LastActivatedAt:        when(i.ActivatedAt),
	}
	return d
}

func identifier(id storage.ImageID) types.ImageIdentifier {
	return types.ImageIdentifier{ImageDigest: text(id.Digest), ImageTag: text(id.Tag)}
}

func tagStatusOf(t types.TagStatus) storage.TagStatus {
	switch t {
	case types.TagStatusTagged:
		return storage.Tagged
	case types.TagStatusUntagged:
		return storage.Untagged
	}
	return storage.AnyImage
}

// when is a time as ECR shows it, nil for never.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func filterOf(t types.TagStatus, s types.ImageStatusFilter) storage.ImageFilter {
	return storage.ImageFilter{Tags: tagStatusOf(t), Status: statusOf(string(s))}
}

// statusOf is the status that a filter lets pass: where nothing is said that of what
// can be pulled.
func statusOf(filter string) storage.ImageStatus {
	switch filter {
	case "":
		return storage.Active
	case string(types.ImageStatusFilterAny):
		return storage.AnyStatus
	}
	return storage.ImageStatus(filter)
}
