package storage

import (
	"context"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"
)

// Stubs so that others can compile against the engine; replaced file by file.
var errTODO = errors.New("todo")

type Registry struct{}

// CreateRepository. Errors: *RepositoryExistsError.
func (r *Registry) CreateRepository(ctx context.Context, ref Ref, o RepositoryOptions) (Repository, error) {
	return Repository{}, errTODO
}

// Repository. Errors: *RepositoryUnknownError.
func (r *Registry) Repository(ctx context.Context, ref Ref) (Repository, error) {
	return Repository{}, errTODO
}

// Repositories lists by name, those after the name given, at most limit.
func (r *Registry) Repositories(ctx context.Context, s Scope, after string, limit int) ([]Repository, error) {
	return nil, errTODO
}

// DeleteRepository. Without force, errors: *RepositoryNotEmptyError. *RepositoryUnknownError.
func (r *Registry) DeleteRepository(ctx context.Context, ref Ref, force bool) (Repository, error) {
	return Repository{}, errTODO
}

// SetMutability changes the tag mutability. Errors: *RepositoryUnknownError.
func (r *Registry) SetMutability(ctx context.Context, ref Ref, m Mutability) (Repository, error) {
	return Repository{}, errTODO
}

// ResourceTags of a repository. Errors: *RepositoryUnknownError.
func (r *Registry) ResourceTags(ctx context.Context, ref Ref) (map[string]string, error) {
	return nil, errTODO
}

// TagRepository sets resource tags; ErrTooManyTags when more than max would be there.
func (r *Registry) TagRepository(ctx context.Context, ref Ref, tags map[string]string, max int) error {
	return errTODO
}
func (r *Registry) UntagRepository(ctx context.Context, ref Ref, keys []string) error { return errTODO }

// Manifest. Errors: *RepositoryUnknownError, *ManifestUnknownError.
func (r *Registry) Manifest(ctx context.Context, ref Ref, which Reference) (Manifest, error) {
	return Manifest{}, errTODO
}

// PutManifest. Errors: *RepositoryUnknownError, *ManifestInvalidError, *DigestInvalidError, *DigestMismatchError, *MissingReferencesError, *TagInvalidError, *TagImmutableError.
func (r *Registry) PutManifest(ctx context.Context, ref Ref, m ManifestUpload) (Stored, error) {
	return Stored{}, errTODO
}

// DeleteManifest with every tag of it. Errors: *RepositoryUnknownError, *ManifestUnknownError, *ManifestReferencedError.
func (r *Registry) DeleteManifest(ctx context.Context, ref Ref, d digest.Digest) error {
	return errTODO
}

// DeleteTag removes the tag only and returns what it pointed at. Errors: *RepositoryUnknownError, *ManifestUnknownError.
func (r *Registry) DeleteTag(ctx context.Context, ref Ref, tag string) (digest.Digest, error) {
	return "", errTODO
}

// DeleteImage deletes as ECR's BatchDeleteImage does: by digest the manifest with all tags; by tag (and digest, if given, must agree)
// the tag, and the manifest when it was its last tag. Returns the ids that are gone. Errors as DeleteManifest.
func (r *Registry) DeleteImage(ctx context.Context, ref Ref, which Reference) ([]ImageID, error) {
	return nil, errTODO
}

// Tags lists tags in lexical order, those after the one given. Errors: *RepositoryUnknownError.
func (r *Registry) Tags(ctx context.Context, ref Ref, after string, limit int) ([]string, error) {
	return nil, errTODO
}

// Referrers lists the manifests whose subject is d, by digest. Errors: *RepositoryUnknownError.
func (r *Registry) Referrers(ctx context.Context, ref Ref, d digest.Digest, artifactType string, after digest.Digest, limit int) ([]Descriptor, error) {
	return nil, errTODO
}

// ImageIDs lists by digest, then tag. Errors: *RepositoryUnknownError.
func (r *Registry) ImageIDs(ctx context.Context, ref Ref, s TagStatus, after ImageID, limit int) ([]ImageID, error) {
	return nil, errTODO
}

// Images lists by digest. Errors: *RepositoryUnknownError.
func (r *Registry) Images(ctx context.Context, ref Ref, s TagStatus, after digest.Digest, limit int) ([]Image, error) {
	return nil, errTODO
}

// Image. Errors: *RepositoryUnknownError, *ManifestUnknownError.
func (r *Registry) Image(ctx context.Context, ref Ref, which Reference) (Image, error) {
	return Image{}, errTODO
}

// StatBlob. Errors: *RepositoryUnknownError, *BlobUnknownError.
func (r *Registry) StatBlob(ctx context.Context, ref Ref, d digest.Digest) (Blob, error) {
	return Blob{}, errTODO
}

// OpenBlob; on disk the reader is an *os.File. Errors as StatBlob.
func (r *Registry) OpenBlob(ctx context.Context, ref Ref, d digest.Digest) (io.ReadSeekCloser, Blob, error) {
	return nil, Blob{}, errTODO
}

// DeleteBlob takes the blob from the repository. Errors as StatBlob, *BlobReferencedError.
func (r *Registry) DeleteBlob(ctx context.Context, ref Ref, d digest.Digest) error { return errTODO }

// MountBlob makes a blob of one repository available in another. Errors as StatBlob, for from; *RepositoryUnknownError for ref.
func (r *Registry) MountBlob(ctx context.Context, ref, from Ref, d digest.Digest) (Blob, error) {
	return Blob{}, errTODO
}

// StartUpload. Errors: *RepositoryUnknownError.
func (r *Registry) StartUpload(ctx context.Context, ref Ref) (Upload, error) {
	return Upload{}, errTODO
}

// Upload state. Errors: *RepositoryUnknownError, *UploadUnknownError.
func (r *Registry) Upload(ctx context.Context, ref Ref, id string) (Upload, error) {
	return Upload{}, errTODO
}

// AppendUpload adds what body yields at offset (AnyOffset: wherever it stands). Errors: those of Upload, *UploadOffsetError, *UploadTruncatedError when body fails.
func (r *Registry) AppendUpload(ctx context.Context, ref Ref, id string, offset int64, body io.Reader) (Upload, error) {
	return Upload{}, errTODO
}

// FinishUpload appends body (may be nil) and makes the whole a blob of the repository. Errors: those of AppendUpload, *DigestInvalidError, *DigestMismatchError (the upload is gone then).
func (r *Registry) FinishUpload(ctx context.Context, ref Ref, id string, offset int64, body io.Reader, d digest.Digest) (Blob, error) {
	return Blob{}, errTODO
}

// CancelUpload. Errors: those of Upload.
func (r *Registry) CancelUpload(ctx context.Context, ref Ref, id string) error { return errTODO }

// AnyOffset lets AppendUpload go on wherever the upload stands.
const AnyOffset = -1
