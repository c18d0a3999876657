// Package ecrapi is Amazon ECR's API over the storage engine: the operations
// that the aws CLI and the SDKs call to make repositories, to look at images
// and to obtain the registry password.
//
// Each operation is a method of Service over the structs of Amazon's own Go
// SDK, and beside it stands the permission it takes. The front (awsapi) has
// checked signature, permission and every constraint of the service model
// before an operation runs; errors leave as the SDK's exception types, which
// exception (errors.go) makes of the engine's. The package knows nothing of
// HTTP and JSON.
//
// Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/
package ecrapi

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/auth"
	"drydock/awsapi"
	"drydock/ecrapi/pullthrough"
	"drydock/ecrapi/scan"
	"drydock/ecrapi/signing"
	"drydock/internal/arn"
	"drydock/internal/registryhost"
	"drydock/storage"
)

// Passwords issues what proves a caller to the registry.
type Passwords interface {
	// Password is the registry password of a principal for one account and
	// region, and when it ends.
	Password(ctx context.Context, p auth.Principal, account, region string) (password string, expiresAt time.Time, err error)
	// LayerToken allows the reading of one blob, "<repository ARN>@<digest>",
	// on behalf of a principal.
	LayerToken(ctx context.Context, p auth.Principal, resource string, ttl time.Duration) (string, error)
}

// Options is what a Service is made of. All but Cache, Profiles, DownloadBase and
// Pulled is needed.
type Options struct {
	Engine    *storage.Registry
	Names     *registryhost.Names
	Passwords Passwords
	Policies  Policies
	Scanner   *scan.Scanner
	// Cache has the images of other registries fetched. It may be nil: then no rule
	// can be made or tried.
	Cache *pullthrough.Cache
	// Profiles are what images can be signed with. It may be nil: then there are none.
	Profiles *signing.Profiles
	// DownloadBase is the scheme and host under which any HTTP client can
	// fetch a layer of an account and region, without a trailing slash. When
	// nil it is the proxy endpoint, whose certificate such clients may not
	// trust.
	DownloadBase func(account, region string) string
	// Pulled is told of each image that is given away. It may be nil.
	Pulled func(ref storage.Ref, d digest.Digest, who auth.Principal)
}

// Service is the ECR API.
type Service struct {
	engine       *storage.Registry
	names        *registryhost.Names
	passwords    Passwords
	policies     Policies
	scanner      *scan.Scanner
	cache        *pullthrough.Cache
	profiles     *signing.Profiles
	downloadBase func(account, region string) string
	pulled       func(ref storage.Ref, d digest.Digest, who auth.Principal)
}

// New makes the API. It is an error to leave out the engine, the names, the
// passwords, the policies or the scanner.
func New(o Options) (*Service, error) {
	if o.Engine == nil || o.Names == nil || o.Passwords == nil || o.Policies == nil || o.Scanner == nil {
		return nil, errors.New("the ECR API needs a storage engine, registry names, passwords, policies and a scanner")
	}
	s := &Service{engine: o.Engine, names: o.Names, passwords: o.Passwords, policies: o.Policies, scanner: o.Scanner, cache: o.Cache, profiles: o.Profiles, downloadBase: o.DownloadBase, pulled: o.Pulled}
	if s.pulled == nil {
		s.pulled = func(storage.Ref, digest.Digest, auth.Principal) {}
	}
	if s.downloadBase == nil {
		s.downloadBase = o.Names.ProxyEndpoint
	}
	return s, nil
}

// Operations are all operations of the API that exist here.
func (s *Service) Operations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateRepository", s.CreateRepository, needsCreateRepository),
		awsapi.Op("DescribeRepositories", s.DescribeRepositories, needsDescribeRepositories),
		awsapi.Op("DeleteRepository", s.DeleteRepository, needsDeleteRepository),
		awsapi.Op("PutImageTagMutability", s.PutImageTagMutability, needsPutImageTagMutability),
		awsapi.Op("GetRepositoryPolicy", s.GetRepositoryPolicy, needsGetRepositoryPolicy),
		awsapi.Op("SetRepositoryPolicy", s.SetRepositoryPolicy, needsSetRepositoryPolicy),
		awsapi.Op("DeleteRepositoryPolicy", s.DeleteRepositoryPolicy, needsDeleteRepositoryPolicy),
		awsapi.Op("GetRegistryPolicy", s.GetRegistryPolicy, needsGetRegistryPolicy),
		awsapi.Op("PutRegistryPolicy", s.PutRegistryPolicy, needsPutRegistryPolicy),
		awsapi.Op("DeleteRegistryPolicy", s.DeleteRegistryPolicy, needsDeleteRegistryPolicy),
		awsapi.Op("DescribeRegistry", s.DescribeRegistry, needsDescribeRegistry),
		awsapi.Op("GetAuthorizationToken", s.GetAuthorizationToken, needsGetAuthorizationToken),
		awsapi.Op("ListImages", s.ListImages, needsListImages),
		awsapi.Op("DescribeImages", s.DescribeImages, needsDescribeImages),
		awsapi.Op("BatchGetImage", s.BatchGetImage, needsBatchGetImage),
		awsapi.Op("BatchDeleteImage", s.BatchDeleteImage, needsBatchDeleteImage),
		awsapi.Op("PutImage", s.PutImage, needsPutImage),
		awsapi.Op("BatchCheckLayerAvailability", s.BatchCheckLayerAvailability, needsBatchCheckLayerAvailability),
		awsapi.Op("InitiateLayerUpload", s.InitiateLayerUpload, needsInitiateLayerUpload),
		awsapi.Op("UploadLayerPart", s.UploadLayerPart, needsUploadLayerPart),
		awsapi.Op("CompleteLayerUpload", s.CompleteLayerUpload, needsCompleteLayerUpload),
		awsapi.Op("GetDownloadUrlForLayer", s.GetDownloadUrlForLayer, needsGetDownloadUrlForLayer),
		awsapi.Op("CreateRepositoryCreationTemplate", s.CreateRepositoryCreationTemplate, needsCreateRepositoryCreationTemplate),
		awsapi.Op("UpdateRepositoryCreationTemplate", s.UpdateRepositoryCreationTemplate, needsUpdateRepositoryCreationTemplate),
		awsapi.Op("DescribeRepositoryCreationTemplates", s.DescribeRepositoryCreationTemplates, needsDescribeRepositoryCreationTemplates),
		awsapi.Op("DeleteRepositoryCreationTemplate", s.DeleteRepositoryCreationTemplate, needsDeleteRepositoryCreationTemplate),
		awsapi.Op("CreatePullThroughCacheRule", s.CreatePullThroughCacheRule, needsCreatePullThroughCacheRule),
		awsapi.Op("UpdatePullThroughCacheRule", s.UpdatePullThroughCacheRule, needsUpdatePullThroughCacheRule),
		awsapi.Op("DescribePullThroughCacheRules", s.DescribePullThroughCacheRules, needsDescribePullThroughCacheRules),
		awsapi.Op("DeletePullThroughCacheRule", s.DeletePullThroughCacheRule, needsDeletePullThroughCacheRule),
		awsapi.Op("ValidatePullThroughCacheRule", s.ValidatePullThroughCacheRule, needsValidatePullThroughCacheRule),
		awsapi.Op("PutImageScanningConfiguration", s.PutImageScanningConfiguration, needsPutImageScanningConfiguration),
		awsapi.Op("PutRegistryScanningConfiguration", s.PutRegistryScanningConfiguration, needsPutRegistryScanningConfiguration),
		awsapi.Op("GetRegistryScanningConfiguration", s.GetRegistryScanningConfiguration, needsGetRegistryScanningConfiguration),
		awsapi.Op("BatchGetRepositoryScanningConfiguration", s.BatchGetRepositoryScanningConfiguration, needsBatchGetRepositoryScanningConfiguration),
		awsapi.Op("StartImageScan", s.StartImageScan, needsStartImageScan),
		awsapi.Op("DescribeImageScanFindings", s.DescribeImageScanFindings, needsDescribeImageScanFindings),
		awsapi.Op("ListImageReferrers", s.ListImageReferrers, needsListImageReferrers),
		awsapi.Op("GetAccountSetting", s.GetAccountSetting, needsGetAccountSetting),
		awsapi.Op("PutAccountSetting", s.PutAccountSetting, needsPutAccountSetting),
		awsapi.Op("RegisterPullTimeUpdateExclusion", s.RegisterPullTimeUpdateExclusion, needsRegisterPullTimeUpdateExclusion),
		awsapi.Op("DeregisterPullTimeUpdateExclusion", s.DeregisterPullTimeUpdateExclusion, needsDeregisterPullTimeUpdateExclusion),
		awsapi.Op("ListPullTimeUpdateExclusions", s.ListPullTimeUpdateExclusions, needsListPullTimeUpdateExclusions),
		awsapi.Op("UpdateImageStorageClass", s.UpdateImageStorageClass, needsUpdateImageStorageClass),
		awsapi.Op("PutSigningConfiguration", s.PutSigningConfiguration, needsPutSigningConfiguration),
		awsapi.Op("GetSigningConfiguration", s.GetSigningConfiguration, needsGetSigningConfiguration),
		awsapi.Op("DeleteSigningConfiguration", s.DeleteSigningConfiguration, needsDeleteSigningConfiguration),
		awsapi.Op("DescribeImageSigningStatus", s.DescribeImageSigningStatus, needsDescribeImageSigningStatus),
		awsapi.Op("TagResource", s.TagResource, needsTagResource),
		awsapi.Op("UntagResource", s.UntagResource, needsUntagResource),
		awsapi.Op("ListTagsForResource", s.ListTagsForResource, needsListTagsForResource),
	}
}

// scopeOf is the account and region that a request means: the registry id
// given, else the caller's account, in the region of the signature. Whether the
// caller may reach another account's registry is for authorisation to say.
func scopeOf(ctx context.Context, registryID *string) storage.Scope {
	call := awsapi.CallFrom(ctx)
	s := storage.Scope{Account: call.Principal.Account, Region: call.Region}
	if id := deref(registryID); id != "" {
		s.Account = id
	}
	return s
}

// refOf is the repository that a request means.
func refOf(ctx context.Context, registryID, name *string) storage.Ref {
	return storage.Ref{Scope: scopeOf(ctx, registryID), Name: deref(name)}
}

func arnOf(r storage.Ref) string { return arn.Repository(r.Account, r.Region, r.Name) }

// needOn is the permission to perform an action on a repository.
func needOn(r storage.Ref, action string) []awsapi.Need {
	return []awsapi.Need{{Action: action, Resource: arnOf(r), ResourceAccount: r.Account}}
}

// needAny is the permission to perform an action that names no resource.
func needAny(ctx context.Context, action string) []awsapi.Need {
	return []awsapi.Need{{Action: action, Resource: "*", ResourceAccount: awsapi.CallFrom(ctx).Principal.Account}}
}

// deref is what p points at, the zero value when it points nowhere.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// text points at s, and nowhere when s is empty: absent members are not sent.
func text[S ~string](s S) *string {
	if s == "" {
		return nil
	}
	t := string(s)
	return &t
}
