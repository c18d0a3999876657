package ecrapi

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"drydock/awsapi"
)

// maxReferrers is how many referrers a page holds, unless fewer are asked for.
const maxReferrers = 50

// ListImageReferrers lists the artifacts whose subject an image is, by digest.
func (s *Service) ListImageReferrers(ctx context.Context, in *ecr.ListImageReferrersInput) (*ecr.ListImageReferrersOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	var f types.ListImageReferrersFilter
	if in.Filter != nil {
		f = *in.Filter
	}
	var subject digest.Digest
	if in.SubjectId != nil {
		subject = digest.Digest(deref(in.SubjectId.ImageDigest))
	}
	if !supported(subject) {
		return nil, invalidParameter("subjectId", "Invalid request parameters: image digest should be a sha256 or sha512 digest")
	}
	list := listing{"ListImageReferrers", ref, strings.Join(append([]string{subject.String(), string(f.ArtifactStatus)}, f.ArtifactTypes...), " ")}
	after, err := list.after(in.NextToken, 1)
	if err != nil {
		return nil, err
	}
	size := maxReferrers
	if in.MaxResults != nil {
		size = min(size, max(int(*in.MaxResults), 1))
	}
	found, err := s.engine.ReferrersOf(ctx, ref, subject, f.ArtifactTypes, statusOf(string(f.ArtifactStatus)), digest.Digest(after[0]), size+1)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	found, more := cut(found, size)
	out := &ecr.ListImageReferrersOutput{Referrers: make([]types.ImageReferrer, 0, len(found))}
	for _, d := range found {
		out.Referrers = append(out.Referrers, types.ImageReferrer{
			Digest: text(d.Digest), MediaType: text(d.MediaType), ArtifactType: text(d.ArtifactType), Size: &d.Size,
			Annotations: d.Annotations, ArtifactStatus: types.ArtifactStatus(d.Status),
		})
	}
	if more {
		out.NextToken = list.token(found[len(found)-1].Digest.String())
	}
	return out, nil
}

// needsListImageReferrers is the permission to read images: there is none of the
// operation's own.
func needsListImageReferrers(ctx context.Context, in *ecr.ListImageReferrersInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:BatchGetImage"), nil
}
