package ecrapi

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"drydock/awsapi"
	"drydock/storage"
)

// UpdateImageStorageClass moves an image into the archive, where it cannot be pulled,
// or begins to bring it back.
func (s *Service) UpdateImageStorageClass(ctx context.Context, in *ecr.UpdateImageStorageClassInput) (*ecr.UpdateImageStorageClassOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	which, bad := referenceOf(*in.ImageId)
	if bad != nil {
		return nil, invalidParameter("imageId", "%s", bad.reason)
	}
	i, err := s.engine.Image(ctx, ref, which)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	list, err := s.engine.SetStorageClass(ctx, ref, []digest.Digest{i.Digest}, storage.StorageClass(in.TargetStorageClass))
	var listed *storage.ManifestReferencedError
	if errors.As(err, &listed) {
		return nil, &types.ImageStorageClassUpdateNotSupportedException{Message: text(referencedByList(listed))}
	}
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	return &ecr.UpdateImageStorageClassOutput{
		RegistryId: &ref.Account, RepositoryName: &ref.Name, ImageStatus: types.ImageStatus(list[0]),
		ImageId: &types.ImageIdentifier{ImageDigest: text(i.Digest), ImageTag: text(which.Tag)},
	}, nil
}

func needsUpdateImageStorageClass(ctx context.Context, in *ecr.UpdateImageStorageClassInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:UpdateImageStorageClass"), nil
}
