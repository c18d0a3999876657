package ecrapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"drydock/awsapi"
	"drydock/storage"
)

const (
	// partSize is the length in bytes of a layer part that clients are told to
	// send, and the longest that the service model lets pass.
	partSize int64 = 20 << 20
	// downloadLife is how long the address of a layer can be used.
	downloadLife = time.Hour
)

// BatchCheckLayerAvailability tells which layers need not be uploaded. Those that are
// archived do.
func (s *Service) BatchCheckLayerAvailability(ctx context.Context, in *ecr.BatchCheckLayerAvailabilityInput) (*ecr.BatchCheckLayerAvailabilityOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	if _, err := s.engine.Repository(ctx, ref); err != nil {
		return nil, exception(err, about{ref: ref})
	}
	out := &ecr.BatchCheckLayerAvailabilityOutput{Layers: []types.Layer{}, Failures: []types.LayerFailure{}}
	fail := func(d, reason string, code types.LayerFailureCode) {
		out.Failures = append(out.Failures, types.LayerFailure{LayerDigest: &d, FailureCode: code, FailureReason: &reason})
	}
	for _, given := range in.LayerDigests {
		d := digest.Digest(given)
		switch {
		case given == "":
			fail(given, "Invalid request parameters: layer digest cannot be empty", types.LayerFailureCodeMissingLayerDigest)
			continue
		case !digestForm.MatchString(given):
			fail(given, "Invalid request parameters: layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'", types.LayerFailureCodeInvalidLayerDigest)
			continue
		case !supported(d):
			fail(given, "Invalid request parameters: layer digest should be a sha256 or sha512 digest", types.LayerFailureCodeInvalidLayerDigest)
			continue
		}
		layer := types.Layer{LayerDigest: &given, LayerAvailability: types.LayerAvailabilityAvailable}
		blob, err := s.engine.StatBlob(ctx, ref, d)
		if archived := new(storage.BlobArchivedError); errors.As(err, &archived) {
			layer.LayerAvailability, layer.LayerSize = types.LayerAvailabilityArchived, &archived.Size
		} else if unknown := new(storage.BlobUnknownError); errors.As(err, &unknown) {
			layer.LayerAvailability = types.LayerAvailabilityUnavailable
		} else if err != nil {
			return nil, exception(err, about{ref: ref, layer: true})
		} else {
			layer.LayerSize = &blob.Size
		}
		out.Layers = append(out.Layers, layer)
	}
	return out, nil
}

func needsBatchCheckLayerAvailability(ctx context.Context, in *ecr.BatchCheckLayerAvailabilityInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:BatchCheckLayerAvailability"), nil
}

// InitiateLayerUpload begins the upload of a layer.
func (s *Service) InitiateLayerUpload(ctx context.Context, in *ecr.InitiateLayerUploadInput) (*ecr.InitiateLayerUploadOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	up, err := s.engine.StartUpload(ctx, ref)
	if err != nil {
		return nil, exception(err, about{ref: ref, layer: true})
	}
	size := partSize
	return &ecr.InitiateLayerUploadOutput{UploadId: text(up.ID), PartSize: &size}, nil
}

func needsInitiateLayerUpload(ctx context.Context, in *ecr.InitiateLayerUploadInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:InitiateLayerUpload"), nil
}

// UploadLayerPart adds the next part of a layer. Unlike ECR it takes parts of
// any size, for nothing here needs them to have 5 MiB.
func (s *Service) UploadLayerPart(ctx context.Context, in *ecr.UploadLayerPartInput) (*ecr.UploadLayerPartOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	first, last, id := deref(in.PartFirstByte), deref(in.PartLastByte), deref(in.UploadId)
	if last-first+1 != int64(len(in.LayerPartBlob)) || last < first {
		up, err := s.engine.Upload(ctx, ref, id)
		if err != nil {
			return nil, exception(err, about{ref: ref, layer: true})
		}
		return nil, invalidPart(ref, up, "The layer part has %d bytes, but its first byte is %d and its last byte %d",
			len(in.LayerPartBlob), first, last)
	}
	up, err := s.engine.AppendUpload(ctx, ref, id, first,
		&storage.Announced{Reader: bytes.NewReader(in.LayerPartBlob), Length: int64(len(in.LayerPartBlob))})
	if err != nil {
		return nil, exception(err, about{ref: ref, layer: true})
	}
	received := up.Offset - 1
	return &ecr.UploadLayerPartOutput{
		RegistryId: text(ref.Account), RepositoryName: text(ref.Name), UploadId: text(up.ID), LastByteReceived: &received,
	}, nil
}

func needsUploadLayerPart(ctx context.Context, in *ecr.UploadLayerPartInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:UploadLayerPart"), nil
}

// CompleteLayerUpload makes a layer of what was uploaded, provided that it has
// the digest given. A layer that the repository held before is reported as such,
// which clients take for success.
func (s *Service) CompleteLayerUpload(ctx context.Context, in *ecr.CompleteLayerUploadInput) (*ecr.CompleteLayerUploadOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	a := about{ref: ref, layer: true}
	d, err := layerDigest(in.LayerDigests)
	if err != nil {
		return nil, err
	}
	id := deref(in.UploadId)
	up, err := s.engine.Upload(ctx, ref, id)
	if err != nil {
		return nil, exception(err, a)
	}
	if up.Offset == 0 {
		return nil, exception(&storage.EmptyUploadError{Upload: up}, a)
	}
	_, err = s.engine.StatBlob(ctx, ref, d)
	held := err == nil
	if unknown := new(storage.BlobUnknownError); err != nil && !errors.As(err, &unknown) {
		return nil, exception(err, a)
	}
	if _, err := s.engine.FinishUpload(ctx, ref, id, storage.AnyOffset, nil, d); err != nil {
		return nil, exception(err, a)
	}
	if held {
		return nil, &types.LayerAlreadyExistsException{Message: sentence(
			"Layer with digest '%s' already exists in the repository with name '%s' in registry with id '%s'", d, ref.Name, ref.Account)}
	}
	return &ecr.CompleteLayerUploadOutput{
		RegistryId: text(ref.Account), RepositoryName: text(ref.Name), UploadId: text(id), LayerDigest: text(d),
	}, nil
}

func needsCompleteLayerUpload(ctx context.Context, in *ecr.CompleteLayerUploadInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:CompleteLayerUpload"), nil
}

// layerDigest picks the digest to hold a layer against. Others than sha256 and
// sha512 are passed over, as ECR does; a second one is refused, because a layer
// is held under one.
func layerDigest(given []string) (digest.Digest, error) {
	var picked digest.Digest
	for _, g := range given {
		d := digest.Digest(g)
		if !supported(d) || d == picked {
			continue
		}
		if picked != "" {
			return "", invalidParameter("layerDigests", "more than one digest was given for the layer: %s and %s", picked, d)
		}
		picked = d
	}
	if picked == "" {
		return "", invalidParameter("layerDigests", "a sha256 or sha512 digest of the layer is needed")
	}
	return picked, nil
}

// GetDownloadUrlForLayer gives an address from which anybody who has it can
// fetch one layer for an hour, without further proof.
func (s *Service) GetDownloadUrlForLayer(ctx context.Context, in *ecr.GetDownloadUrlForLayerInput) (*ecr.GetDownloadUrlForLayerOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	a := about{ref: ref, layer: true}
	d := digest.Digest(deref(in.LayerDigest))
	if !supported(d) {
		return nil, exception(&storage.DigestInvalidError{Digest: d.String()}, a)
	}
	if _, err := s.engine.ReadableBlob(ctx, ref, d); err != nil {
		return nil, exception(err, a)
	}
	resource := arnOf(ref) + "@" + d.String()
	token, err := s.passwords.LayerToken(ctx, awsapi.CallFrom(ctx).Principal, resource, downloadLife)
	if err != nil {
		return nil, fmt.Errorf("issuing the token for %s: %w", resource, err)
	}
	// Where the host name tells neither account nor region the path does, as
	// in the repository's own address.
	_, path, _ := strings.Cut(s.names.RepositoryURI(ref.Account, ref.Region, ref.Name), "/")
	address := s.downloadBase(ref.Account, ref.Region) + "/v2/" + path + "/blobs/" + d.String() +
		"?drydock-token=" + url.QueryEscape(token)
	return &ecr.GetDownloadUrlForLayerOutput{DownloadUrl: &address, LayerDigest: text(d)}, nil
}

func needsGetDownloadUrlForLayer(ctx context.Context, in *ecr.GetDownloadUrlForLayerInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:GetDownloadUrlForLayer"), nil
}
