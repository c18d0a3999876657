package storage

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"drydock/internal/bytesize"
	"drydock/storage/meta"
)

// ErrFull is returned, wrapped, when the disk has no room for what was sent.
var ErrFull = errors.New("no space left for blobs or records")

// ErrUnavailable is returned, wrapped, when what holds blobs or records does not
// answer. The same may work a moment later. It is the one of the records, whose
// errors come up from everywhere.
var ErrUnavailable = meta.ErrUnavailable

// ErrClosed is returned, wrapped, when the engine is shutting down.
var ErrClosed = errors.New("the registry is shutting down")

// QuotaError says that an account or, where Ref has a name, a repository would hold
// more than it may.
type QuotaError struct {
	Ref Ref
	// Used is what it holds, Limit what it may hold, and More what was to be added.
	Used, Limit, More Amount
}

func (e *QuotaError) Error() string {
	holder := fmt.Sprintf("The repository with name '%s' in the registry with id '%s'", e.Ref.Name, e.Ref.Account)
	if e.Ref.Name == "" {
		holder = fmt.Sprintf("The registry with id '%s'", e.Ref.Account)
	}
	if e.Limit.Images > 0 && e.Used.Images+e.More.Images > e.Limit.Images && e.More.Images > 0 {
		return fmt.Sprintf("%s already has the maximum allowed number of images which is '%d'", holder, e.Limit.Images)
	}
	return fmt.Sprintf("%s has a quota of %s and holds %s, so that %s more do not fit: delete images, whose layers count until they are collected, or have the quota raised",
		holder, bytesize.Format(e.Limit.Bytes), bytesize.Format(e.Used.Bytes), bytesize.Format(e.More.Bytes))
}

// LimitError says that a registry would have more repositories than it may or, where
// Tag is set, an image more tags.
type LimitError struct {
	Ref   Ref
	Tag   string
	Limit int64
}

func (e *LimitError) Error() string {
	if e.Tag == "" {
		return fmt.Sprintf("The registry with id '%s' already has the maximum allowed number of repositories which is '%d'", e.Ref.Account, e.Limit)
	}
	return fmt.Sprintf("Adding tag '%s' to an image in the repository with name '%s' in registry with id '%s' exceeds the maximum allowed number of tags per image which is '%d'",
		e.Tag, e.Ref.Name, e.Ref.Account, e.Limit)
}

// LowSpaceError says that the disk is nearly full: Free bytes are left, and Least are
// to be.
type LowSpaceError struct{ Free, Least int64 }

func (e *LowSpaceError) Error() string {
	return fmt.Sprintf("the registry is short of disk space and takes in nothing more: %s are free and %s are kept so; pulls go on, and pushes when there is room again",
		bytesize.Format(e.Free), bytesize.Format(e.Least))
}

// RepositoryUnknownError says that no such repository exists.
type RepositoryUnknownError struct{ Ref Ref }

func (e *RepositoryUnknownError) Error() string {
	return fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", e.Ref.Name, e.Ref.Account)
}

// IsMissing tells whether an error says that something is not here. What is archived is
// here.
func IsMissing(err error) bool {
	var archived *ArchivedError
	var archivedBlob *BlobArchivedError
	if errors.As(err, &archived) || errors.As(err, &archivedBlob) {
		return false
	}
	var repository *RepositoryUnknownError
	var manifest *ManifestUnknownError
	var blob *BlobUnknownError
	return errors.As(err, &repository) || errors.As(err, &manifest) || errors.As(err, &blob)
}

// PolicyUnknownError says that a repository, or a registry where Ref has no name,
// has no policy.
type PolicyUnknownError struct{ Ref Ref }

func (e *PolicyUnknownError) Error() string {
	if e.Ref.Name == "" {
		return fmt.Sprintf("Registry policy does not exist in the registry with id '%s'", e.Ref.Account)
	}
	return fmt.Sprintf("Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", e.Ref.Name, e.Ref.Account)
}

// RepositoryExistsError says that the repository is there already.
type RepositoryExistsError struct{ Ref Ref }

func (e *RepositoryExistsError) Error() string {
	return fmt.Sprintf("The repository with name '%s' already exists in the registry with id '%s'", e.Ref.Name, e.Ref.Account)
}

// RepositoryNotEmptyError says that a repository to be deleted holds images.
type RepositoryNotEmptyError struct{ Ref Ref }

func (e *RepositoryNotEmptyError) Error() string {
	return fmt.Sprintf("The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", e.Ref.Name, e.Ref.Account)
}

// ManifestUnknownError says that the repository has no such tag or manifest.
type ManifestUnknownError struct {
	Ref       Ref
	Reference Reference
}

func (e *ManifestUnknownError) Error() string {
	return fmt.Sprintf("Requested image not found: %s:%s", e.Ref.Name, e.Reference)
}

// ArchivedError says that an image is there and cannot be pulled: it is in the archive,
// or being brought back. To who does not ask for more it is one that is not there.
type ArchivedError struct {
	Ref       Ref
	Reference Reference
	Status    ImageStatus
}

func (e *ArchivedError) Error() string {
	if e.Status == Activating {
		return fmt.Sprintf("Requested image %s:%s is being restored from the archive; it can be pulled once that is done", e.Ref.Name, e.Reference)
	}
	return fmt.Sprintf("Requested image %s:%s is archived; it has to be restored before it can be pulled", e.Ref.Name, e.Reference)
}

// Unwrap is what it is to who does not know of archives.
func (e *ArchivedError) Unwrap() error { return &ManifestUnknownError{e.Ref, e.Reference} }

// BlobArchivedError says that only archived images need a blob, or that it is not at
// hand since such images alone needed it. To who does not ask for more it is one that
// is not there.
type BlobArchivedError struct {
	Ref    Ref
	Digest digest.Digest
	// Size is in bytes.
	Size int64
}

func (e *BlobArchivedError) Error() string {
	return fmt.Sprintf("the layer %s of the repository '%s' is archived", e.Digest, e.Ref.Name)
}

// Unwrap is what it is to who does not know of archives.
func (e *BlobArchivedError) Unwrap() error { return &BlobUnknownError{e.Ref, e.Digest} }

// ManifestInvalidError says why a manifest cannot be stored.
type ManifestInvalidError struct{ Reason string }

func (e *ManifestInvalidError) Error() string { return "Invalid manifest: " + e.Reason }

// MissingReferencesError names the blobs and manifests that a manifest refers
// to and the repository does not hold.
type MissingReferencesError struct {
	Ref       Ref
	Blobs     []digest.Digest
	Manifests []digest.Digest
}

func (e *MissingReferencesError) Error() string {
	var b strings.Builder
	b.WriteString("the repository '" + e.Ref.Name + "' does not hold what the manifest refers to:")
	for _, d := range e.Blobs {
		b.WriteString(" layer " + d.String())
	}
	for _, d := range e.Manifests {
		b.WriteString(" image " + d.String())
	}
	return b.String()
}

// ManifestReferencedError says that a manifest cannot be deleted because an
// index of the same repository lists it.
type ManifestReferencedError struct {
	Digest digest.Digest
	By     digest.Digest
}

func (e *ManifestReferencedError) Error() string {
	return fmt.Sprintf("the image %s is referenced by the manifest list %s", e.Digest, e.By)
}

// TagImmutableError says that a tag is set and may not be moved.
type TagImmutableError struct {
	Ref Ref
	Tag string
}

func (e *TagImmutableError) Error() string {
	return fmt.Sprintf("The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", e.Tag, e.Ref.Name)
}

// TagInvalidError says that a tag is not one.
type TagInvalidError struct{ Tag string }

func (e *TagInvalidError) Error() string {
	return fmt.Sprintf("%q is not a tag: a tag has 1 to 128 letters, digits, underscores, periods and dashes, and starts with none of the last two", e.Tag)
}

// DigestInvalidError says that a digest is malformed or of an algorithm other
// than sha256 and sha512.
type DigestInvalidError struct{ Digest string }

func (e *DigestInvalidError) Error() string {
	return fmt.Sprintf("%q is not a sha256 or sha512 digest", e.Digest)
}

// DigestMismatchError says that content does not have the digest declared.
type DigestMismatchError struct{ Declared, Actual digest.Digest }

func (e *DigestMismatchError) Error() string {
	return fmt.Sprintf("the content has the digest %s, not %s as declared", e.Actual, e.Declared)
}

// BlobUnknownError says that the repository holds no such blob.
type BlobUnknownError struct {
	Ref    Ref
	Digest digest.Digest
}

func (e *BlobUnknownError) Error() string {
	return fmt.Sprintf("the layer %s does not exist in the repository '%s'", e.Digest, e.Ref.Name)
}

// BlobReferencedError says that a blob cannot be deleted because a manifest of
// the repository needs it.
type BlobReferencedError struct {
	Digest digest.Digest
	By     digest.Digest
}

func (e *BlobReferencedError) Error() string {
	return fmt.Sprintf("the layer %s is needed by the image %s", e.Digest, e.By)
}

// UploadUnknownError says that the repository has no such upload session.
type UploadUnknownError struct {
	Ref Ref
	ID  string
}

func (e *UploadUnknownError) Error() string {
	return fmt.Sprintf("the upload %s does not exist in the repository '%s'; it may have expired", e.ID, e.Ref.Name)
}

// UploadOffsetError says that a part does not begin where the upload stands.
type UploadOffsetError struct {
	Upload Upload
	// Got is the offset the client gave.
	Got int64
}

func (e *UploadOffsetError) Error() string {
	return fmt.Sprintf("the part begins at byte %d, but the upload stands at byte %d", e.Got, e.Upload.Offset)
}

// UploadTruncatedError says that fewer or more bytes came than were announced.
// What came is kept: Upload tells where to go on.
type UploadTruncatedError struct {
	Upload Upload
	Cause  error
}

func (e *UploadTruncatedError) Error() string {
	return fmt.Sprintf("the upload broke off at byte %d: %v", e.Upload.Offset, e.Cause)
}

func (e *UploadTruncatedError) Unwrap() error { return e.Cause }

// EmptyUploadError says that an upload was completed before any byte came.
type EmptyUploadError struct{ Upload Upload }

func (e *EmptyUploadError) Error() string {
	return fmt.Sprintf("the upload %s has received no bytes", e.Upload.ID)
}

// TooManyTagsError says that a resource would have more tags than it may.
type TooManyTagsError struct{ Max int }

func (e *TooManyTagsError) Error() string {
	return fmt.Sprintf("a resource can have at most %d tags", e.Max)
}
