package ecrapi

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"drydock/storage"
)

// about tells what a request was about, for the errors that do not say it
// themselves.
type about struct {
	ref storage.Ref
	// layer is set when the digests of the request are those of layers, not of
	// images: ECR has different exceptions for the two.
	layer bool
}

// exception is the one table from the engine's errors to ECR's exceptions. What
// is not in it is a fault of the server and passes as it is.
//
// The sentences that scripts are known to match are Amazon's, from what the CLI
// prints.
func exception(err error, a about) error {
	if err == nil {
		return nil
	}
	var (
		repositoryUnknown  *storage.RepositoryUnknownError
		policyUnknown      *storage.PolicyUnknownError
		repositoryExists   *storage.RepositoryExistsError
		repositoryNotEmpty *storage.RepositoryNotEmptyError
		manifestUnknown    *storage.ManifestUnknownError
		archived           *storage.ArchivedError
		blobArchived       *storage.BlobArchivedError
		manifestInvalid    *storage.ManifestInvalidError
		manifestReferenced *storage.ManifestReferencedError
		missingReferences  *storage.MissingReferencesError
		tagImmutable       *storage.TagImmutableError
		tagInvalid         *storage.TagInvalidError
		digestInvalid      *storage.DigestInvalidError
		digestMismatch     *storage.DigestMismatchError
		blobUnknown        *storage.BlobUnknownError
		blobReferenced     *storage.BlobReferencedError
		uploadUnknown      *storage.UploadUnknownError
		uploadOffset       *storage.UploadOffsetError
		uploadTruncated    *storage.UploadTruncatedError
		emptyUpload        *storage.EmptyUploadError
		tooManyTags        *storage.TooManyTagsError
		quota              *storage.QuotaError
		limit              *storage.LimitError
		lowSpace           *storage.LowSpaceError
	)
	switch {
	case errors.As(err, &repositoryUnknown):
		return &types.RepositoryNotFoundException{Message: text(repositoryUnknown.Error())}
	case errors.As(err, &policyUnknown) && policyUnknown.Ref.Name == "":
		return &types.RegistryPolicyNotFoundException{Message: text(policyUnknown.Error())}
	case errors.As(err, &policyUnknown):
		return &types.RepositoryPolicyNotFoundException{Message: text(policyUnknown.Error())}
	case errors.As(err, &repositoryExists):
		return &types.RepositoryAlreadyExistsException{Message: text(repositoryExists.Error())}
	case errors.As(err, &repositoryNotEmpty):
		return &types.RepositoryNotEmptyException{Message: text(repositoryNotEmpty.Error())}
	case errors.As(err, &archived):
		return &types.ImageNotFoundException{Message: text(archived.Error())}
	case errors.As(err, &manifestUnknown):
		return imageNotFound(manifestUnknown.Ref, manifestUnknown.Reference)
	case errors.As(err, &manifestInvalid):
		return invalidParameter("ImageManifest", "%s", manifestInvalid.Reason)
	case errors.As(err, &manifestReferenced):
		return invalidParameter("imageId", "%s", referencedByList(manifestReferenced))
	case errors.As(err, &missingReferences):
		return notPushed(missingReferences)
	case errors.As(err, &tagImmutable):
		return &types.ImageTagAlreadyExistsException{Message: text(tagImmutable.Error())}
	case errors.As(err, &tagInvalid):
		return invalidParameter("imageTag", "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9-_.]{0,127}'")
	case errors.As(err, &digestInvalid) && a.layer:
		return invalidParameter("layerDigest", "%s", digestInvalid)
	case errors.As(err, &digestInvalid):
		return invalidParameter("imageDigest", "%s", digestInvalid)
	case errors.As(err, &digestMismatch) && a.layer:
		return &types.InvalidLayerException{Message: sentence(
			"The layer has the digest '%s', not '%s' as given", digestMismatch.Actual, digestMismatch.Declared)}
	case errors.As(err, &digestMismatch):
		return &types.ImageDigestDoesNotMatchException{Message: sentence(
			"The image with digest '%s' in repository '%s' and registry ID '%s' does not match the image digest calculated from its manifest, '%s'",
			digestMismatch.Declared, a.ref.Name, a.ref.Account, digestMismatch.Actual)}
	case errors.As(err, &blobArchived):
		return &types.LayerInaccessibleException{Message: sentence(
			"The layer with digest '%s' in the repository with name '%s' in the registry with id '%s' is archived: restore an image that needs it first",
			blobArchived.Digest, blobArchived.Ref.Name, blobArchived.Ref.Account)}
	case errors.As(err, &blobUnknown):
		return &types.LayersNotFoundException{Message: sentence(
			"The layer with digest '%s' does not exist within the repository with name '%s' in the registry with id '%s'",
			blobUnknown.Digest, blobUnknown.Ref.Name, blobUnknown.Ref.Account)}
	case errors.As(err, &blobReferenced):
		return invalidParameter("layerDigest", "%s", blobReferenced)
	case errors.As(err, &uploadUnknown):
		return &types.UploadNotFoundException{Message: sentence(
			"The upload with id '%s' does not exist in the repository with name '%s' in the registry with id '%s'; it may have expired",
			uploadUnknown.ID, uploadUnknown.Ref.Name, uploadUnknown.Ref.Account)}
	case errors.As(err, &uploadOffset):
		return invalidPart(a.ref, uploadOffset.Upload,
			"First byte of the layer part is %d instead of %d", uploadOffset.Got, uploadOffset.Upload.Offset)
	case errors.As(err, &uploadTruncated):
		return invalidPart(a.ref, uploadTruncated.Upload,
			"The layer part ended early; send the part that begins at byte %d again", uploadTruncated.Upload.Offset)
	case errors.As(err, &emptyUpload):
		return &types.EmptyUploadException{Message: sentence(
			"The upload with id '%s' has received no layer part", emptyUpload.Upload.ID)}
	case errors.As(err, &tooManyTags):
		return &types.TooManyTagsException{Message: sentence("A repository can have at most %d tags", tooManyTags.Max)}
	case errors.As(err, &quota):
		return &types.LimitExceededException{Message: text(quota.Error())}
	case errors.As(err, &limit):
		return &types.LimitExceededException{Message: text(limit.Error())}
	case errors.As(err, &lowSpace):
		return fault(err, lowSpace.Error())
	case errors.Is(err, storage.ErrFull):
		return fault(err, "The registry's disk is full: free space there, then try again")
	case errors.Is(err, storage.ErrUnavailable):
		return fault(err, "The registry cannot reach its storage at the moment: try again")
	case errors.Is(err, storage.ErrClosed):
		return fault(err, "The registry is shutting down: try again")
	}
	return err
}

// notPushed names what a manifest refers to and the repository does not hold.
func notPushed(e *storage.MissingReferencesError) error {
	message := func(what string, digests []digest.Digest) *string {
		names := make([]string, len(digests))
		for i, d := range digests {
			names[i] = d.String()
		}
		return sentence("%s with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist",
			what, strings.Join(names, ", "), e.Ref.Name, e.Ref.Account)
	}
	if len(e.Blobs) > 0 {
		return &types.LayersNotFoundException{Message: message("Layers", e.Blobs)}
	}
	return &types.ReferencedImagesNotFoundException{Message: message("Images", e.Manifests)}
}

func imageNotFound(ref storage.Ref, which storage.Reference) error {
	return &types.ImageNotFoundException{Message: sentence(
		"The image with imageId %s does not exist within the repository with name '%s' in the registry with id '%s'", imageIDText(which), ref.Name, ref.Account)}
}

// imageIDText is an image's id as ECR's sentences have it.
func imageIDText(which storage.Reference) string {
	null := func(s string) string {
		if s == "" {
			return "null"
		}
		return s
	}
	return fmt.Sprintf("{imageDigest:'%s', imageTag:'%s'}", null(string(which.Digest)), null(which.Tag))
}

// referencedByList is the reason for which an image cannot be deleted.
func referencedByList(e *storage.ManifestReferencedError) string {
	return fmt.Sprintf("Requested image referenced by manifest list: [%s]", e.By)
}

// invalidPart tells the client from which byte to go on.
func invalidPart(ref storage.Ref, u storage.Upload, format string, args ...any) error {
	e := &types.InvalidLayerPartException{
		Message:        sentence(format, args...),
		RegistryId:     text(ref.Account),
		RepositoryName: text(ref.Name),
		UploadId:       text(u.ID),
	}
	if last := u.Offset - 1; last >= 0 {
		e.LastValidByteReceived = &last
	}
	return e
}

// invalidParameter is ECR's answer to a parameter that the service model allows
// and the service does not.
func invalidParameter(name, format string, args ...any) error {
	return &types.InvalidParameterException{Message: sentence(
		"Invalid parameter at '%s' failed to satisfy constraint: '%s'", name, fmt.Sprintf(format, args...))}
}

// fault is an error of the server's of which the client is told what to do; the
// cause is for the log.
func fault(cause error, message string) error {
	return fmt.Errorf("%w: %w", &types.ServerException{Message: &message}, cause)
}

func sentence(format string, args ...any) *string {
	s := fmt.Sprintf(format, args...)
	return &s
}
