package ecrapi

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/distribution/distribution/v3/manifest/schema2"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func byTag(tag string) types.ImageIdentifier { return types.ImageIdentifier{ImageTag: &tag} }
func byDigest(d digest.Digest) types.ImageIdentifier {
	return types.ImageIdentifier{ImageDigest: aws.String(d.String())}
}
func byBoth(d digest.Digest, tag string) types.ImageIdentifier {
	return types.ImageIdentifier{ImageDigest: aws.String(d.String()), ImageTag: &tag}
}

// reasons are the failures of a batch as "code: reason".
func reasons(failures []types.ImageFailure) []string {
	var s []string
	for _, f := range failures {
		s = append(s, string(f.FailureCode)+": "+deref(f.FailureReason))
	}
	return s
}

func TestAManifestComesBackByteForByte(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	m, d := pushImage(ctx, t, s, "demo", "a", "v1")
	for what, id := range map[string]types.ImageIdentifier{"tag": byTag("v1"), "digest": byDigest(d), "both": byBoth(d, "v1")} {
		out := must(s.BatchGetImage(ctx, &ecr.BatchGetImageInput{RepositoryName: aws.String("demo"), ImageIds: []types.ImageIdentifier{id}}))(t)
		want := types.Image{
			RegistryId: aws.String(account), RepositoryName: aws.String("demo"), ImageManifest: &m,
			ImageManifestMediaType: aws.String(v1.MediaTypeImageManifest),
			ImageId:                &types.ImageIdentifier{ImageDigest: aws.String(d.String()), ImageTag: aws.String("v1")},
		}
		if len(out.Images) != 1 || !reflect.DeepEqual(out.Images[0], want) || out.Failures == nil || len(out.Failures) != 0 {
			t.Errorf("by %s came %+v, failures %v", what, out.Images, reasons(out.Failures))
		}
	}
}

func TestWhatABatchCannotGetItSays(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	_, d := pushImage(ctx, t, s, "demo", "a", "v1")
	short := types.ImageIdentifier{ImageDigest: aws.String("sha256:abc")}
	out := must(s.BatchGetImage(ctx, &ecr.BatchGetImageInput{RepositoryName: aws.String("demo"), ImageIds: []types.ImageIdentifier{
		byTag("v2"), byDigest(d1), byBoth(d1, "v1"), byBoth(d, "v2"), {}, {ImageDigest: aws.String("junk")}, short, byTag("v1"),
	}}))(t)
	want := []string{
		"ImageNotFound: Requested image not found",
		"ImageNotFound: Requested image not found",
		"ImageTagDoesNotMatchDigest: Invalid request parameters: given tag does not map to the given digest",
		"ImageNotFound: Requested image not found",
		"MissingDigestAndTag: Invalid request parameters: both tag and digest cannot be null",
		"InvalidImageDigest: Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
		"InvalidImageDigest: Invalid request parameters: image digest should be a sha256 or sha512 digest",
	}
	if got := reasons(out.Failures); !reflect.DeepEqual(got, want) || len(out.Images) != 1 {
		t.Errorf("got %d images and failures\n%s", len(out.Images), strings.Join(got, "\n"))
	}
	if got := out.Failures[2].ImageId; deref(got.ImageTag) != "v1" || deref(got.ImageDigest) != d1.String() {
		t.Errorf("a failure names %+v", got)
	}
	_, err := s.BatchGetImage(ctx, &ecr.BatchGetImageInput{RepositoryName: aws.String("nothere"), ImageIds: []types.ImageIdentifier{{}}})
	wantCode(t, err, "RepositoryNotFoundException")
}

func TestAnImageAskedForByDigestComesWithEachOfItsTags(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	m, d := pushImage(ctx, t, s, "demo", "a", "v1")
	must(s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("demo"), ImageManifest: &m, ImageTag: aws.String("v2")}))(t)
	out := must(s.BatchGetImage(ctx, &ecr.BatchGetImageInput{RepositoryName: aws.String("demo"), ImageIds: []types.ImageIdentifier{byDigest(d)}}))(t)
	if len(out.Images) != 2 || deref(out.Images[0].ImageId.ImageTag) != "v1" || deref(out.Images[1].ImageId.ImageTag) != "v2" {
		t.Errorf("got %+v", out.Images)
	}
}

func TestAcceptedMediaTypesTranslateByTagOnly(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	m, d := pushImage(ctx, t, s, "demo", "a", "v1")
	index := document(t, v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{{MediaType: v1.MediaTypeImageManifest, Digest: d, Size: int64(len(m))}}})
	must(s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("demo"), ImageManifest: &index, ImageTag: aws.String("multi")}))(t)
	get := func(id types.ImageIdentifier, accepted ...string) *ecr.BatchGetImageOutput {
		return must(s.BatchGetImage(ctx, &ecr.BatchGetImageInput{
			RepositoryName: aws.String("demo"), ImageIds: []types.ImageIdentifier{id}, AcceptedMediaTypes: accepted,
		}))(t)
	}
	if out := get(byTag("v1"), schema2.MediaTypeManifest, v1.MediaTypeImageManifest); deref(out.Images[0].ImageManifest) != m {
		t.Errorf("what is accepted as it is was changed to %s", deref(out.Images[0].ImageManifest))
	}
	out := get(byTag("v1"), schema2.MediaTypeManifest)
	if len(out.Images) != 1 || deref(out.Images[0].ImageManifestMediaType) != schema2.MediaTypeManifest ||
		!strings.Contains(deref(out.Images[0].ImageManifest), schema2.MediaTypeLayer) || deref(out.Images[0].ImageId.ImageDigest) != d.String() {
		t.Errorf("translated to %+v, failures %v", out.Images, reasons(out.Failures))
	}
	if out := get(byDigest(d), schema2.MediaTypeManifest); len(out.Images) != 1 || deref(out.Images[0].ImageManifest) != m {
		t.Errorf("by digest came %+v", out)
	}
	if out := get(byTag("multi"), schema2.MediaTypeManifest); len(out.Failures) != 1 || out.Failures[0].FailureCode != "ImageNotFound" {
		t.Errorf("an index became %+v", out)
	}
}

func TestPutImageRefuses(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	m, d := pushImage(ctx, t, s, "demo", "a", "v1")
	absent := v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: d1, Size: 3}
	config := pushLayer(ctx, t, s, "demo", "{}")
	config.MediaType = v1.MediaTypeImageConfig
	lacks := document(t, v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: config, Layers: []v1.Descriptor{absent}})
	index := document(t, v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{{MediaType: v1.MediaTypeImageManifest, Digest: d1, Size: 3}}})
	for _, c := range []struct {
		what string
		in   ecr.PutImageInput
		code string
		says string
	}{
		{"an image that is there under the tag", ecr.PutImageInput{ImageManifest: &m, ImageTag: aws.String("v1")}, "ImageAlreadyExistsException",
			"Image with digest '" + d.String() + "' and tag 'v1' already exists in the repository with name 'demo' in registry with id '123456789012'"},
		{"an image that is there, without a tag", ecr.PutImageInput{ImageManifest: &m}, "ImageAlreadyExistsException", d.String()},
		{"a manifest with another digest", ecr.PutImageInput{ImageManifest: &m, ImageDigest: aws.String(d1.String())}, "ImageDigestDoesNotMatchException", "repository 'demo'"},
		{"a malformed digest", ecr.PutImageInput{ImageManifest: &m, ImageDigest: aws.String("sha256:abc")}, "InvalidParameterException", "sha256:abc"},
		{"an image whose layer is absent", ecr.PutImageInput{ImageManifest: &lacks}, "LayersNotFoundException", d1.String()},
		{"an index whose image is absent", ecr.PutImageInput{ImageManifest: &index}, "ReferencedImagesNotFoundException", d1.String()},
		{"no JSON", ecr.PutImageInput{ImageManifest: aws.String("{")}, "InvalidParameterException", "ImageManifest"},
		{"no media type anywhere", ecr.PutImageInput{ImageManifest: aws.String(`{"schemaVersion":2}`)}, "InvalidParameterException", "ImageManifest"},
		{"nothing", ecr.PutImageInput{}, "InvalidParameterException", ""},
		{"a tag that is none", ecr.PutImageInput{ImageManifest: &m, ImageTag: aws.String("-x")}, "InvalidParameterException", "imageTag"},
	} {
		c.in.RepositoryName = aws.String("demo")
		_, err := s.PutImage(ctx, &c.in)
		if wantCode(t, err, c.code); err != nil && !strings.Contains(err.Error(), c.says) || t.Failed() {
			t.Fatalf("for %s: %v", c.what, err)
		}
	}
	_, err := s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("nothere"), ImageManifest: &m})
	wantCode(t, err, "RepositoryNotFoundException")
	if out := must(s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("demo"), ImageManifest: &m, ImageTag: aws.String("v2")}))(t); deref(out.Image.ImageManifest) != m || deref(out.Image.ImageId.ImageTag) != "v2" {
		t.Errorf("a second tag gave %+v", out.Image)
	}
}

func TestDeletingImages(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	m, d := pushImage(ctx, t, s, "demo", "a", "v1")
	must(s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("demo"), ImageManifest: &m, ImageTag: aws.String("v2")}))(t)
	mb, b := pushImage(ctx, t, s, "demo", "b", "b")
	index := document(t, v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{{MediaType: v1.MediaTypeImageManifest, Digest: b, Size: int64(len(mb))}}})
	must(s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("demo"), ImageManifest: &index, ImageTag: aws.String("multi")}))(t)

	remove := func(ids ...types.ImageIdentifier) ([]types.ImageIdentifier, []string) {
		out := must(s.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{RepositoryName: aws.String("demo"), ImageIds: ids}))(t)
		if out.ImageIds == nil || out.Failures == nil {
			t.Error("an empty list is absent from the answer")
		}
		return out.ImageIds, reasons(out.Failures)
	}
	same := func(what string, got []types.ImageIdentifier, failures []string, want []types.ImageIdentifier, wantFailures ...string) {
		t.Helper()
		if (len(got)+len(want) > 0 && !reflect.DeepEqual(got, want)) || !reflect.DeepEqual(failures, wantFailures) {
			t.Errorf("%s: deleted %v, failures %v", what, got, failures)
		}
	}
	got, failures := remove(byBoth(d1, "v1"), byTag("v3"), byBoth(d, "v3"), types.ImageIdentifier{})
	same("what is not there", got, failures, nil,
		"ImageTagDoesNotMatchDigest: Invalid request parameters: given tag does not map to the given digest",
		"ImageNotFound: Requested image not found", "ImageNotFound: Requested image not found",
		"MissingDigestAndTag: Invalid request parameters: both tag and digest cannot be null")
	got, failures = remove(byTag("v1"))
	same("one of two tags", got, failures, []types.ImageIdentifier{byBoth(d, "v1")})
	if left := must(s.ListImages(ctx, &ecr.ListImagesInput{RepositoryName: aws.String("demo")}))(t); len(left.ImageIds) != 3 {
		t.Errorf("three images became %+v", left.ImageIds)
	}
	got, failures = remove(byDigest(d), byTag("v2"))
	same("an image and its tag at once", got, failures, []types.ImageIdentifier{byBoth(d, "v2")})
	got, failures = remove(byDigest(b))
	same("an image of an index", got, failures, nil,
		"ImageReferencedByManifestList: Requested image referenced by manifest list: ["+digest.FromString(index).String()+"]")
	got, failures = remove(byTag("multi"), byDigest(b))
	same("the index, then its image", got, failures, []types.ImageIdentifier{byBoth(digest.FromString(index), "multi"), byBoth(b, "b")})
	_, err := s.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{RepositoryName: aws.String("nothere"), ImageIds: []types.ImageIdentifier{{}}})
	wantCode(t, err, "RepositoryNotFoundException")
}
