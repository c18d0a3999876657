// Package storage is the engine that the registry protocol and the ECR API
// share: repositories, manifests, tags, referrers, blobs and uploads, each
// change one transaction. Both front ends call the same methods, so an image
// stored through one is there for the other at once.
//
// Records are the truth and live in a database (storage/meta); blobs are
// content and live under their digest (storage/blob). A blob is reachable only
// through a repository that holds it.
//
// The package knows nothing of HTTP, of IAM or of AWS's errors. Methods return
// the errors of errors.go; each protocol translates them in one table.
package storage

import (
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// Scope is the account and the region that something belongs to.
type Scope struct {
	Account, Region string
}

// Ref names a repository: its scope and its name within it.
type Ref struct {
	Scope
	Name string
}

// Repository is a repository's record.
type Repository struct {
	Ref
	CreatedAt  time.Time
	Mutability Mutability
}

// Mutability says which tags of a repository may be moved once they are set.
type Mutability struct {
	// Immutable is the rule; Except lists the tag patterns (with * for any run
	// of characters) to which the opposite applies.
	Immutable bool
	Except    []string
}

// RepositoryOptions is what a repository is created with.
type RepositoryOptions struct {
	Mutability Mutability
	// Tags are the resource tags of the repository, not image tags.
	Tags map[string]string
	// Policy is the repository's policy, "" for none, and Settings its settings by
	// their kinds.
	Policy   string
	Settings map[string]string
}

// Reference names an image within a repository, by tag or by digest. When both
// are given the tag must point at the digest.
type Reference struct {
	Tag    string
	Digest digest.Digest
}

func (r Reference) String() string {
	if r.Tag != "" {
		return r.Tag
	}
	return r.Digest.String()
}

// Manifest is a stored manifest with its exact bytes.
type Manifest struct {
	Digest    digest.Digest
	MediaType string
	Content   []byte
	// Incomplete is set when something that the image needs is lost. Those who ask
	// whether it is there in order to push it are best told that it is not.
	Incomplete bool
}

// ImageStatus says whether an image can be pulled.
type ImageStatus string

// The values of ImageStatus, as ECR calls them. Only active images can be pulled.
const (
	Active ImageStatus = meta.StatusActive
	// Archived: it is in the archive. Activating: it is being brought back.
	Archived   ImageStatus = meta.StatusArchived
	Activating ImageStatus = meta.StatusActivating
	// AnyStatus is for lists, of images of whatever status.
	AnyStatus ImageStatus = ""
)

// StorageClass is where an image is kept.
type StorageClass string

// The values of StorageClass, as ECR calls them.
const (
	Standard StorageClass = "STANDARD"
	Archive  StorageClass = "ARCHIVE"
)

// ManifestUpload is a manifest to be stored.
type ManifestUpload struct {
	Content []byte
	// MediaType is what the client declared; when empty, the manifest's own
	// mediaType member decides.
	MediaType string
	// Digest is the digest the client expects; when empty, sha256 of Content.
	Digest digest.Digest
	// Tags are set to the manifest in the same transaction; none is allowed.
	Tags []string
	// Cached is set when it came from an upstream registry, where what it needs can
	// be had: that need not be here.
	Cached bool
	// By says who pushes, for watchers, which know how to read it. It may be empty.
	By string
	// Also are changes that are told of with the push, if it changes anything.
	Also []Change
}

// Stored tells what PutManifest did.
type Stored struct {
	Digest    digest.Digest
	MediaType string
	// Subject is the digest of the manifest this one refers to, if any.
	Subject digest.Digest
	// Unchanged is set when the manifest was there already and every tag
	// pointed at it: nothing was written.
	Unchanged bool
}

// Descriptor describes a manifest in a list of referrers.
type Descriptor struct {
	Digest       digest.Digest
	MediaType    string
	ArtifactType string
	// Size is the length of the manifest in bytes.
	Size        int64
	Annotations map[string]string
	Status      ImageStatus
}

// Image is what is known of a manifest as an image.
type Image struct {
	Digest    digest.Digest
	MediaType string
	// ArtifactType is the manifest's artifactType, or its config's media type.
	ArtifactType string
	// Size is the sum in bytes of what the manifest names: config and layers,
	// or for an index the manifests it lists. As ECR reports it.
	Size     int64
	PushedAt time.Time
	// PulledAt is when it was last pulled, to within a minute (Pulled); zero where no
	// pull is known.
	PulledAt time.Time
	// Tags are sorted.
	Tags    []string
	Subject digest.Digest
	Status  ImageStatus
	// ArchivedAt is when it came into the archive last, and ActivatedAt when it came
	// out; zero for never.
	ArchivedAt, ActivatedAt time.Time
}

// ImageFilter narrows lists of images.
type ImageFilter struct {
	Tags   TagStatus
	Status ImageStatus
	// UpTo is the last digest that is listed; empty for no bound.
	UpTo digest.Digest
}

// ImageID is one line of a list of images: a manifest with one of its tags, or
// with none.
type ImageID struct {
	Digest digest.Digest
	Tag    string
}

// TagStatus filters lists of images.
type TagStatus int

// The values of TagStatus.
const (
	AnyImage TagStatus = iota
	Tagged
	Untagged
)

// Blob is a stored blob's digest and size in bytes.
type Blob struct {
	Digest digest.Digest
	Size   int64
}

// Upload is the state of an upload session.
type Upload struct {
	ID string
	// Offset is the number of bytes received so far.
	Offset int64
}
