package ecrapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/awsapi"
	"drydock/ecrapi/scan"
	"drydock/internal/registryhost"
	"drydock/storage"
)

// CreateRepository makes an empty repository. A setting that nothing here would
// obey is refused rather than stored: whoever asks for encryption must not be left
// to believe that it happens.
func (s *Service) CreateRepository(ctx context.Context, in *ecr.CreateRepositoryInput) (*ecr.CreateRepositoryOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	if registryhost.Reserved(ref.Name) {
		return nil, invalidParameter("repositoryName",
			"a name that begins with an account id and a region is an address of that account's registry here: choose another first component")
	}
	if c := in.EncryptionConfiguration; c != nil {
		return nil, invalidParameter("encryptionConfiguration",
			"this registry does not encrypt what it stores, with %s or otherwise: leave encryptionConfiguration out and encrypt the disk", c.EncryptionType)
	}
	m, err := mutabilityOf(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
	if err != nil {
		return nil, err
	}
	tags, err := resourceTags(in.Tags)
	if err != nil {
		return nil, err
	}
	o := storage.RepositoryOptions{Mutability: m, Tags: tags}
	onPush := in.ImageScanningConfiguration != nil && in.ImageScanningConfiguration.ScanOnPush
	if onPush {
		document, err := scan.Repository{OnPush: true}.Document()
		if err != nil {
			return nil, err
		}
		o.Settings = map[string]string{scan.RepositoryKind: document}
	}
	r, err := s.engine.CreateRepository(ctx, ref, o)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	return &ecr.CreateRepositoryOutput{Repository: s.describe(r, onPush)}, nil
}

// As in IAM, tags at creation take the permission to tag as well; otherwise
// conditions on tags could be gone round.
func needsCreateRepository(ctx context.Context, in *ecr.CreateRepositoryInput) ([]awsapi.Need, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	needs := needOn(ref, "ecr:CreateRepository")
	if len(in.Tags) > 0 {
		needs = append(needs, needOn(ref, "ecr:TagResource")...)
	}
	return withKeys(needs, tagKeys(in.Tags)), nil
}

// DescribeRepositories describes the repositories named, or all of the registry
// in the order of their names, page by page.
func (s *Service) DescribeRepositories(ctx context.Context, in *ecr.DescribeRepositoriesInput) (*ecr.DescribeRepositoriesOutput, error) {
	if len(in.RepositoryNames) > 0 {
		return s.describeNamed(ctx, in)
	}
	scope := scopeOf(ctx, in.RegistryId)
	list := listing{operation: "DescribeRepositories", ref: storage.Ref{Scope: scope}}
	after, err := list.after(in.NextToken, 1)
	if err != nil {
		return nil, err
	}
	size := pageSize(in.MaxResults)
	found, err := s.engine.Repositories(ctx, scope, after[0], size+1)
	if err != nil {
		return nil, exception(err, about{ref: list.ref})
	}
	found, more := cut(found, size)
	// A setting goes with its repository, so those of this page are among the next ones.
	onPush, err := s.scanner.OnPush(ctx, scope, after[0], len(found))
	if err != nil {
		return nil, exception(err, about{ref: list.ref})
	}
	out := &ecr.DescribeRepositoriesOutput{Repositories: make([]types.Repository, 0, len(found))}
	for _, r := range found {
		out.Repositories = append(out.Repositories, *s.describe(r, onPush[r.Name]))
	}
	if more {
		out.NextToken = list.token(found[len(found)-1].Name)
	}
	return out, nil
}

func (s *Service) describeNamed(ctx context.Context, in *ecr.DescribeRepositoriesInput) (*ecr.DescribeRepositoriesOutput, error) {
	if in.MaxResults != nil {
		return nil, invalidParameter("maxResults", "maxResults cannot be used together with repositoryNames")
	}
	if in.NextToken != nil {
		return nil, invalidParameter("nextToken", "nextToken cannot be used together with repositoryNames")
	}
	out := &ecr.DescribeRepositoriesOutput{Repositories: []types.Repository{}}
	seen := map[string]bool{}
	for _, name := range in.RepositoryNames {
		if seen[name] {
			continue
		}
		seen[name] = true
		ref := refOf(ctx, in.RegistryId, &name)
		r, err := s.engine.Repository(ctx, ref)
		if err != nil {
			return nil, exception(err, about{ref: ref})
		}
		own, err := s.scanner.Repository(ctx, ref)
		if err != nil {
			return nil, exception(err, about{ref: ref})
		}
		out.Repositories = append(out.Repositories, *s.describe(r, own.OnPush))
	}
	return out, nil
}

// Listing takes the permission on all repositories of the registry, as IAM's
// refusals show: "on resource: arn:aws:ecr:…:repository/*".
func needsDescribeRepositories(ctx context.Context, in *ecr.DescribeRepositoriesInput) ([]awsapi.Need, error) {
	names := in.RepositoryNames
	if len(names) == 0 {
		names = []string{"*"}
	}
	var needs []awsapi.Need
	for _, name := range names {
		needs = append(needs, needOn(refOf(ctx, in.RegistryId, &name), "ecr:DescribeRepositories")...)
	}
	return needs, nil
}

// DeleteRepository deletes an empty repository, or with force one and all its
// images.
func (s *Service) DeleteRepository(ctx context.Context, in *ecr.DeleteRepositoryInput) (*ecr.DeleteRepositoryOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	own, err := s.scanner.Repository(ctx, ref)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	r, err := s.engine.DeleteRepository(ctx, ref, in.Force)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	return &ecr.DeleteRepositoryOutput{Repository: s.describe(r, own.OnPush)}, nil
}

func needsDeleteRepository(ctx context.Context, in *ecr.DeleteRepositoryInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:DeleteRepository"), nil
}

// describe is a repository as ECR shows it. It says nothing of encryption, of
// which there is none. onPush is its own setting; what the registry says of scans is
// not told with repositories.
func (s *Service) describe(r storage.Repository, onPush bool) *types.Repository {
	created := r.CreatedAt
	mode, filters := mutabilityAs(r.Mutability)
	return &types.Repository{
		RepositoryArn:                      text(arnOf(r.Ref)),
		RegistryId:                         text(r.Account),
		RepositoryName:                     text(r.Name),
		RepositoryUri:                      text(s.names.RepositoryURI(r.Account, r.Region, r.Name)),
		CreatedAt:                          &created,
		ImageTagMutability:                 mode,
		ImageTagMutabilityExclusionFilters: filters,
		ImageScanningConfiguration:         &types.ImageScanningConfiguration{ScanOnPush: onPush},
	}
}
