package ecrapi

import (
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/awsapi"
	"drydock/storage"
)

func TestAnImageIsArchivedAndRestored(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	content, d := pushImage(ctx, t, s, "demo", "one", "v1")
	_, kept := pushImage(ctx, t, s, "demo", "two", "v2")
	byTag, byDigest := types.ImageIdentifier{ImageTag: aws.String("v1")}, types.ImageIdentifier{ImageDigest: aws.String(d.String())}
	update := func(id types.ImageIdentifier, class types.TargetStorageClass) *ecr.UpdateImageStorageClassOutput {
		t.Helper()
		return must(s.UpdateImageStorageClass(ctx, &ecr.UpdateImageStorageClassInput{RepositoryName: aws.String("demo"), ImageId: &id, TargetStorageClass: class}))(t)
	}
	listed := func(status types.ImageStatusFilter) (digests []string) {
		t.Helper()
		images := must(s.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String("demo"), Filter: &types.DescribeImagesFilter{ImageStatus: status}}))(t)
		ids := must(s.ListImages(ctx, &ecr.ListImagesInput{RepositoryName: aws.String("demo"), Filter: &types.ListImagesFilter{ImageStatus: status}}))(t)
		if len(images.ImageDetails) != len(ids.ImageIds) {
			t.Errorf("%q: %d images and %d ids", status, len(images.ImageDetails), len(ids.ImageIds))
		}
		for _, i := range images.ImageDetails {
			digests = append(digests, deref(i.ImageDigest))
		}
		return digests
	}
	got := update(byTag, types.TargetStorageClassArchive)
	if got.ImageStatus != types.ImageStatusArchived || deref(got.ImageId.ImageDigest) != d.String() || deref(got.ImageId.ImageTag) != "v1" || deref(got.RegistryId) != account || deref(got.RepositoryName) != "demo" {
		t.Errorf("archived: %+v", got)
	}
	if a, b, c := listed(""), listed(types.ImageStatusFilterArchived), listed(types.ImageStatusFilterAny); !reflect.DeepEqual(a, []string{kept.String()}) || !reflect.DeepEqual(b, []string{d.String()}) || len(c) != 2 {
		t.Errorf("listed %v, archived %v, all %v", a, b, c)
	}
	for _, id := range []types.ImageIdentifier{byTag, byDigest} {
		named := must(s.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String("demo"), ImageIds: []types.ImageIdentifier{id}}))(t)
		if len(named.ImageDetails) != 1 || named.ImageDetails[0].ImageStatus != types.ImageStatusArchived || named.ImageDetails[0].LastArchivedAt == nil || named.ImageDetails[0].LastActivatedAt != nil {
			t.Errorf("described as %+v", named.ImageDetails)
		}
		batch := must(s.BatchGetImage(ctx, &ecr.BatchGetImageInput{RepositoryName: aws.String("demo"), ImageIds: []types.ImageIdentifier{id}}))(t)
		if len(batch.Images) != 0 || len(batch.Failures) != 1 || batch.Failures[0].FailureCode != types.ImageFailureCodeImageInaccessible {
			t.Errorf("got %+v", batch)
		}
	}
	layer := digest.FromString("layer one").String()
	_, err := s.GetDownloadUrlForLayer(ctx, &ecr.GetDownloadUrlForLayerInput{RepositoryName: aws.String("demo"), LayerDigest: &layer})
	wantCode(t, err, "LayerInaccessibleException")
	if got := update(byDigest, types.TargetStorageClassStandard); got.ImageStatus != types.ImageStatusActivating {
		t.Errorf("restored: %+v", got)
	}
	if list := listed(types.ImageStatusFilterActivating); !reflect.DeepEqual(list, []string{d.String()}) {
		t.Errorf("being restored are %v", list)
	}
	must(s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("demo"), ImageManifest: &content, ImageTag: aws.String("v1")}))(t)
	if list := listed(types.ImageStatusFilterActive); len(list) != 2 {
		t.Errorf("after a push active are %v", list)
	}
}

func TestWhyAStorageClassIsNotChanged(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	content, d := pushImage(ctx, t, s, "demo", "one", "v1")
	index := document(t, v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{{MediaType: v1.MediaTypeImageManifest, Digest: d, Size: int64(len(content))}}})
	must(s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("demo"), ImageManifest: &index, ImageTag: aws.String("all")}))(t)
	for _, c := range []struct {
		repository string
		id         types.ImageIdentifier
		want       string
	}{
		{"none", types.ImageIdentifier{ImageTag: aws.String("v1")}, "RepositoryNotFoundException"},
		{"demo", types.ImageIdentifier{ImageTag: aws.String("v9")}, "ImageNotFoundException"},
		{"demo", types.ImageIdentifier{ImageDigest: aws.String(digest.FromString("none").String())}, "ImageNotFoundException"},
		{"demo", types.ImageIdentifier{}, "InvalidParameterException"},
		{"demo", types.ImageIdentifier{ImageDigest: aws.String("md5:aa")}, "InvalidParameterException"},
		{"demo", types.ImageIdentifier{ImageTag: aws.String("v1")}, "ImageStorageClassUpdateNotSupportedException"},
	} {
		_, err := s.UpdateImageStorageClass(ctx, &ecr.UpdateImageStorageClassInput{RepositoryName: &c.repository, ImageId: &c.id, TargetStorageClass: types.TargetStorageClassArchive})
		wantCode(t, err, c.want)
	}
	i, err := s.engine.Image(ctx, storage.Ref{Scope: storage.Scope{Account: account, Region: region}, Name: "demo"}, storage.Reference{Digest: d})
	if err != nil || i.Status != storage.Active {
		t.Errorf("it is %s: %v", i.Status, err)
	}
}

func TestStorageClassesTakeAPermissionOnTheRepository(t *testing.T) {
	got, err := needsUpdateImageStorageClass(asCaller(t.Context()), &ecr.UpdateImageStorageClassInput{RepositoryName: aws.String("demo")})
	if want := []awsapi.Need{{Action: "ecr:UpdateImageStorageClass", Resource: arnOf(demo), ResourceAccount: account}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("it takes %+v (%v)", got, err)
	}
}
