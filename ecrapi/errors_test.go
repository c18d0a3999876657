package ecrapi

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"github.com/opencontainers/go-digest"

	"drydock/storage"
)

// wantCode fails unless err is an exception of that code, with a message.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("got error %v, want %s", err, code)
	} else if api.ErrorMessage() == "" {
		t.Errorf("%s has no message", code)
	}
}

var (
	demo = storage.Ref{Scope: storage.Scope{Account: account, Region: region}, Name: "demo"}
	d1   = digest.FromString("one")
	d2   = digest.FromString("two")
)

func TestErrorsOfTheEngineBecomeExceptions(t *testing.T) {
	up := storage.Upload{ID: "b1946ac9-2492-4c60-9c4a-6a7c6b2f7a52", Offset: 10}
	covered := map[string]bool{}
	for _, c := range []struct {
		err   error
		layer bool
		code  string
		says  string
	}{
		{&storage.RepositoryUnknownError{Ref: demo}, false, "RepositoryNotFoundException",
			"The repository with name 'demo' does not exist in the registry with id '123456789012'"},
		{&storage.PolicyUnknownError{Ref: demo}, false, "RepositoryPolicyNotFoundException",
			"Repository policy does not exist for the repository with name 'demo' in the registry with id '123456789012'"},
		{&storage.PolicyUnknownError{Ref: storage.Ref{Scope: demo.Scope}}, false, "RegistryPolicyNotFoundException",
			"Registry policy does not exist in the registry with id '123456789012'"},
		{&storage.RepositoryExistsError{Ref: demo}, false, "RepositoryAlreadyExistsException",
			"The repository with name 'demo' already exists in the registry with id '123456789012'"},
		{&storage.RepositoryNotEmptyError{Ref: demo}, false, "RepositoryNotEmptyException",
			"The repository with name 'demo' in registry with id '123456789012' cannot be deleted because it still contains images"},
		{&storage.ManifestUnknownError{Ref: demo, Reference: storage.Reference{Tag: "x"}}, false, "ImageNotFoundException",
			"The image with imageId {imageDigest:'null', imageTag:'x'} does not exist within the repository with name 'demo' in the registry with id '123456789012'"},
		{&storage.ManifestInvalidError{Reason: "no layers"}, false, "InvalidParameterException",
			"Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'no layers'"},
		{&storage.ManifestReferencedError{Digest: d1, By: d2}, false, "InvalidParameterException", "referenced by manifest list: [" + d2.String() + "]"},
		{&storage.MissingReferencesError{Ref: demo, Blobs: []digest.Digest{d1, d2}}, false, "LayersNotFoundException",
			"Layers with digests '[" + d1.String() + ", " + d2.String() + "]' required for pushing image into repository with name 'demo' in the registry with id '123456789012' do not exist"},
		{&storage.MissingReferencesError{Ref: demo, Manifests: []digest.Digest{d1}}, false, "ReferencedImagesNotFoundException",
			"Images with digests '[" + d1.String() + "]' required for pushing"},
		{&storage.TagImmutableError{Ref: demo, Tag: "v1"}, false, "ImageTagAlreadyExistsException",
			"The image tag 'v1' already exists in the 'demo' repository and cannot be overwritten"},
		{&storage.TagInvalidError{Tag: "-"}, false, "InvalidParameterException", "Invalid parameter at 'imageTag'"},
		{&storage.DigestInvalidError{Digest: "md5:0"}, false, "InvalidParameterException", "Invalid parameter at 'imageDigest'"},
		{&storage.DigestInvalidError{Digest: "md5:0"}, true, "InvalidParameterException", "Invalid parameter at 'layerDigest'"},
		{&storage.DigestMismatchError{Declared: d1, Actual: d2}, false, "ImageDigestDoesNotMatchException",
			"The image with digest '" + d1.String() + "' in repository 'demo' and registry ID '123456789012' does not match the image digest"},
		{&storage.DigestMismatchError{Declared: d1, Actual: d2}, true, "InvalidLayerException", d2.String()},
		{&storage.BlobUnknownError{Ref: demo, Digest: d1}, true, "LayersNotFoundException",
			"The layer with digest '" + d1.String() + "' does not exist within the repository with name 'demo' in the registry with id '123456789012'"},
		{&storage.BlobArchivedError{Ref: demo, Digest: d1}, true, "LayerInaccessibleException",
			"The layer with digest '" + d1.String() + "' in the repository with name 'demo' in the registry with id '123456789012' is archived"},
		{&storage.ArchivedError{Ref: demo, Reference: storage.Reference{Tag: "x"}, Status: storage.Archived}, false, "ImageNotFoundException", "demo:x is archived"},
		{&storage.ArchivedError{Ref: demo, Reference: storage.Reference{Tag: "x"}, Status: storage.Activating}, false, "ImageNotFoundException", "demo:x is being restored"},
		{&storage.BlobReferencedError{Digest: d1, By: d2}, true, "InvalidParameterException", d2.String()},
		{&storage.UploadUnknownError{Ref: demo, ID: up.ID}, true, "UploadNotFoundException", up.ID},
		{&storage.UploadOffsetError{Upload: up, Got: 4}, true, "InvalidLayerPartException", "First byte of the layer part is 4 instead of 10"},
		{&storage.UploadTruncatedError{Upload: up, Cause: errors.New("gone")}, true, "InvalidLayerPartException", "byte 10"},
		{&storage.EmptyUploadError{Upload: up}, true, "EmptyUploadException", up.ID},
		{&storage.TooManyTagsError{Max: 50}, false, "TooManyTagsException", "50"},
		{&storage.QuotaError{Ref: demo, Used: storage.Amount{Bytes: 3 << 30}, Limit: storage.Amount{Bytes: 4 << 30}, More: storage.Amount{Bytes: 3 << 29}}, true, "LimitExceededException",
			"The repository with name 'demo' in the registry with id '123456789012' has a quota of 4 GiB and holds 3 GiB, so that 1.5 GiB more do not fit"},
		{&storage.QuotaError{Ref: storage.Ref{Scope: storage.Scope{Account: account}}, Used: storage.Amount{Images: 5, Bytes: 100}, Limit: storage.Amount{Images: 5}, More: storage.Amount{Images: 1, Bytes: 7}}, false,
			"LimitExceededException", "The registry with id '123456789012' already has the maximum allowed number of images which is '5'"},
		{&storage.LimitError{Ref: demo, Limit: 7}, false, "LimitExceededException", "The registry with id '123456789012' already has the maximum allowed number of repositories which is '7'"},
		{&storage.LimitError{Ref: demo, Tag: "v1", Limit: 7}, false, "LimitExceededException",
			"Adding tag 'v1' to an image in the repository with name 'demo' in registry with id '123456789012' exceeds the maximum allowed number of tags per image which is '7'"},
		{&storage.LowSpaceError{Free: 1 << 20, Least: 1 << 30}, true, "ServerException", "1 MiB are free and 1 GiB are kept so"},
		{storage.ErrFull, false, "ServerException", "disk is full"},
		{storage.ErrClosed, false, "ServerException", "shutting down"},
	} {
		covered[strings.TrimPrefix(fmt.Sprintf("%T", c.err), "*storage.")] = true
		got := exception(fmt.Errorf("doing something: %w", c.err), about{ref: demo, layer: c.layer})
		wantCode(t, got, c.code)
		if !strings.Contains(got.Error(), c.says) {
			t.Errorf("%T reads %q, want it to say %q", c.err, got, c.says)
		}
	}
	for _, name := range errorTypes(t, "../storage/errors.go") {
		if !covered[name] {
			t.Errorf("storage.%s is not translated into an exception, or not tested to be", name)
		}
	}
}

// errorTypes are the names of the types that a file declares with a name ending
// in Error.
func errorTypes(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && strings.HasSuffix(spec.Name.Name, "Error") {
			names = append(names, spec.Name.Name)
		}
		return true
	})
	if len(names) == 0 {
		t.Fatalf("found no error types in %s", file)
	}
	return names
}

func TestAFaultOfTheServerPassesAsItIs(t *testing.T) {
	fault := errors.New("the disk caught fire")
	if got := exception(fault, about{}); got != fault {
		t.Errorf("got %v", got)
	}
	if got := exception(nil, about{}); got != nil {
		t.Errorf("got %v for no error", got)
	}
}

func TestARefusedPartTellsWhereToGoOn(t *testing.T) {
	var e *types.InvalidLayerPartException
	up := storage.Upload{ID: "u", Offset: 10}
	if err := exception(&storage.UploadOffsetError{Upload: up, Got: 20}, about{ref: demo, layer: true}); !errors.As(err, &e) {
		t.Fatal(err)
	}
	if deref(e.LastValidByteReceived) != 9 || deref(e.UploadId) != "u" || deref(e.RepositoryName) != "demo" || deref(e.RegistryId) != account {
		t.Errorf("got %+v", e)
	}
	up.Offset = 0
	if err := exception(&storage.UploadOffsetError{Upload: up, Got: 20}, about{ref: demo, layer: true}); !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e.LastValidByteReceived != nil {
		t.Errorf("the last byte of nothing is %d", *e.LastValidByteReceived)
	}
}
