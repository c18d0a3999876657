package ecrapi

import (
	"context"
	"errors"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"drydock/auth"
	"drydock/awsapi"
	"drydock/storage"
)

// BatchGetImage gives the manifests of images. What cannot be given is listed
// among the failures and does not fail the rest.
//
// An image asked for by digest comes once with each of its tags, in the format
// it was pushed in whatever the accepted media types are. One asked for by tag
// is translated where ECR translates (translate.go).
func (s *Service) BatchGetImage(ctx context.Context, in *ecr.BatchGetImageInput) (*ecr.BatchGetImageOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	if _, err := s.engine.Repository(ctx, ref); err != nil {
		return nil, exception(err, about{ref: ref})
	}
	out := &ecr.BatchGetImageOutput{Images: []types.Image{}, Failures: []types.ImageFailure{}}
	for _, id := range in.ImageIds {
		images, f, err := s.imagesOf(ctx, ref, id, in.AcceptedMediaTypes)
		if err != nil {
			return nil, exception(err, about{ref: ref})
		}
		if f != nil {
			out.Failures = append(out.Failures, f.of(id))
		}
		out.Images = append(out.Images, images...)
	}
	return out, nil
}

func needsBatchGetImage(ctx context.Context, in *ecr.BatchGetImageInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:BatchGetImage"), nil
}

// imagesOf is what one image id of BatchGetImage yields: images, or why not.
func (s *Service) imagesOf(ctx context.Context, ref storage.Ref, id types.ImageIdentifier, accepted []string) ([]types.Image, *failure, error) {
	which, f := referenceOf(id)
	if f != nil {
		return nil, f, nil
	}
	m, err := s.engine.Manifest(ctx, ref, which)
	if err != nil {
		f, err := s.failureOf(ctx, ref, which, err)
		return nil, f, err
	}
	tags := []string{which.Tag}
	switch {
	case which.Digest == "" && len(accepted) > 0 && !slices.Contains(accepted, m.MediaType):
		content, mediaType, ok := translate(m, accepted)
		if !ok {
			return nil, &failure{types.ImageFailureCodeImageNotFound,
				"Requested image not found in an accepted format: it is stored as " + m.MediaType}, nil
		}
		m.Content, m.MediaType = content, mediaType
	case which.Tag == "":
		i, err := s.engine.Image(ctx, ref, storage.Reference{Digest: m.Digest})
		if err != nil {
			f, err := s.failureOf(ctx, ref, which, err)
			return nil, f, err
		}
		if len(i.Tags) > 0 {
			tags = i.Tags
		}
	}
	s.pulled(ref, m.Digest, awsapi.CallFrom(ctx).Principal)
	var images []types.Image
	for _, tag := range tags {
		images = append(images, imageOf(ref, tag, m))
	}
	return images, nil, nil
}

// imageOf is a manifest as ECR shows it. The digest stays the one under which
// the repository holds the image, also when the manifest was translated.
func imageOf(ref storage.Ref, tag string, m storage.Manifest) types.Image {
	id := identifier(storage.ImageID{Digest: m.Digest, Tag: tag})
	return types.Image{
		RegistryId:             text(ref.Account),
		RepositoryName:         text(ref.Name),
		ImageId:                &id,
		ImageManifest:          text(string(m.Content)),
		ImageManifestMediaType: text(m.MediaType),
	}
}

// PutImage stores a manifest and points a tag at it. Everything the manifest
// refers to must be there already.
func (s *Service) PutImage(ctx context.Context, in *ecr.PutImageInput) (*ecr.PutImageOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	up := storage.ManifestUpload{
		Content:   []byte(deref(in.ImageManifest)),
		MediaType: deref(in.ImageManifestMediaType),
		Digest:    digest.Digest(deref(in.ImageDigest)),
		By:        auth.CallerOf(ctx, awsapi.CallFrom(ctx).Principal),
	}
	tag := deref(in.ImageTag)
	if tag != "" {
		up.Tags = []string{tag}
	}
	if up.Digest != "" && !supported(up.Digest) {
		return nil, exception(&storage.DigestInvalidError{Digest: up.Digest.String()}, about{ref: ref})
	}
	stored, err := s.engine.PutManifest(ctx, ref, up)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	if stored.Unchanged {
		return nil, imageExists(ref, stored.Digest, tag)
	}
	image := imageOf(ref, tag, storage.Manifest{Digest: stored.Digest, MediaType: stored.MediaType, Content: up.Content})
	return &ecr.PutImageOutput{Image: &image}, nil
}

func needsPutImage(ctx context.Context, in *ecr.PutImageInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:PutImage"), nil
}

func imageExists(ref storage.Ref, d digest.Digest, tag string) error {
	what := "Image with digest '" + d.String() + "'"
	if tag != "" {
		what += " and tag '" + tag + "'"
	}
	return &types.ImageAlreadyExistsException{Message: sentence(
		"%s already exists in the repository with name '%s' in registry with id '%s'", what, ref.Name, ref.Account)}
}

// BatchDeleteImage deletes images by digest with all their tags, and tags with
// the image when it was its last one. What cannot be deleted is listed among
// the failures and does not fail the rest.
func (s *Service) BatchDeleteImage(ctx context.Context, in *ecr.BatchDeleteImageInput) (*ecr.BatchDeleteImageOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	if _, err := s.engine.Repository(ctx, ref); err != nil {
		return nil, exception(err, about{ref: ref})
	}
	out := &ecr.BatchDeleteImageOutput{ImageIds: []types.ImageIdentifier{}, Failures: []types.ImageFailure{}}
	var gone []storage.ImageID
	for _, id := range in.ImageIds {
		which, f := referenceOf(id)
		if f == nil && slices.ContainsFunc(gone, meantBy(which)) {
			continue // an earlier id of this request took it along
		}
		if f == nil {
			deleted, err := s.engine.DeleteImage(ctx, ref, which)
			if err != nil {
				if f, err = s.failureOf(ctx, ref, which, err); err != nil {
					return nil, exception(err, about{ref: ref})
				}
			}
			gone = append(gone, deleted...)
		}
		if f != nil {
			out.Failures = append(out.Failures, f.of(id))
		}
	}
	for _, id := range gone {
		out.ImageIds = append(out.ImageIds, identifier(id))
	}
	return out, nil
}

func needsBatchDeleteImage(ctx context.Context, in *ecr.BatchDeleteImageInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:BatchDeleteImage"), nil
}

// meantBy reports which image ids a reference means.
func meantBy(r storage.Reference) func(storage.ImageID) bool {
	return func(id storage.ImageID) bool {
		return (r.Tag == "" || r.Tag == id.Tag) && (r.Digest == "" || r.Digest == id.Digest)
	}
}

// failure is why one image of a batch could not be had.
type failure struct {
	code   types.ImageFailureCode
	reason string
}

func (f *failure) of(id types.ImageIdentifier) types.ImageFailure {
	return types.ImageFailure{ImageId: &id, FailureCode: f.code, FailureReason: &f.reason}
}

// failureOf tells the errors of one image of a batch from those of the batch.
func (s *Service) failureOf(ctx context.Context, ref storage.Ref, which storage.Reference, err error) (*failure, error) {
	var unknown *storage.ManifestUnknownError
	var archived *storage.ArchivedError
	var referenced *storage.ManifestReferencedError
	switch {
	case errors.As(err, &archived):
		return &failure{types.ImageFailureCodeImageInaccessible, archived.Error()}, nil
	case errors.As(err, &referenced):
		return &failure{types.ImageFailureCodeImageReferencedByManifestList, referencedByList(referenced)}, nil
	case !errors.As(err, &unknown):
		return nil, err
	case which.Tag != "" && which.Digest != "":
		// The engine does not say which of the two was not found. ECR does:
		// a tag that exists points elsewhere.
		if _, err := s.engine.Image(ctx, ref, storage.Reference{Tag: which.Tag}); err == nil {
			return &failure{types.ImageFailureCodeImageTagDoesNotMatchDigest,
				"Invalid request parameters: given tag does not map to the given digest"}, nil
		} else if !errors.As(err, &unknown) {
			return nil, err
		}
	}
	return &failure{types.ImageFailureCodeImageNotFound, "Requested image not found"}, nil
}

// digestForm is what ECR takes for a digest. Of those that have the form only
// sha256 and sha512 can exist here.
var digestForm = regexp.MustCompile(`^[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+$`)

// supported reports whether d is a digest that the engine can hold.
func supported(d digest.Digest) bool {
	return d.Validate() == nil && (d.Algorithm() == digest.SHA256 || d.Algorithm() == digest.SHA512)
}

// referenceOf reads an image id; f says what is wrong with it.
func referenceOf(id types.ImageIdentifier) (r storage.Reference, f *failure) {
	r = storage.Reference{Tag: deref(id.ImageTag), Digest: digest.Digest(deref(id.ImageDigest))}
	switch {
	case r.Tag == "" && r.Digest == "":
		return r, &failure{types.ImageFailureCodeMissingDigestAndTag, "Invalid request parameters: both tag and digest cannot be null"}
	case r.Digest != "" && !digestForm.MatchString(r.Digest.String()):
		return r, &failure{types.ImageFailureCodeInvalidImageDigest,
			"Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"}
	case r.Digest != "" && !supported(r.Digest):
		return r, &failure{types.ImageFailureCodeInvalidImageDigest,
			"Invalid request parameters: image digest should be a sha256 or sha512 digest"}
	}
	return r, nil
}
