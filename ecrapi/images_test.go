package ecrapi

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestAnImageIsDescribedByWhatItIs(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	m, d := pushImage(ctx, t, s, "demo", "a", "v1")
	must(s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("demo"), ImageManifest: &m, ImageTag: aws.String("latest")}))(t)
	pushImage(ctx, t, s, "demo", "b", "")

	out := must(s.DescribeImages(ctx, &ecr.DescribeImagesInput{
		RepositoryName: aws.String("demo"),
		ImageIds:       []types.ImageIdentifier{{ImageTag: aws.String("v1")}, {ImageDigest: aws.String(d.String())}},
	}))(t)
	if len(out.ImageDetails) != 1 {
		t.Fatalf("one image named twice came %d times", len(out.ImageDetails))
	}
	got := out.ImageDetails[0]
	size := int64(len(`{"architecture":"amd64","os":"linux","of":"a"}`) + len("layer a"))
	if deref(got.ImageDigest) != d.String() || deref(got.RegistryId) != account || deref(got.RepositoryName) != "demo" ||
		!reflect.DeepEqual(got.ImageTags, []string{"latest", "v1"}) || deref(got.ImageSizeInBytes) != size ||
		!got.ImagePushedAt.Equal(now) || deref(got.ImageManifestMediaType) != v1.MediaTypeImageManifest ||
		deref(got.ArtifactMediaType) != v1.MediaTypeImageConfig || got.ImageStatus != "ACTIVE" || got.SubjectManifestDigest != nil {
		t.Errorf("described as %+v, want a size of %d", got, size)
	}

	_, err := s.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String("demo"), ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("v2")}}})
	wantCode(t, err, "ImageNotFoundException")
	if want := "{imageDigest:'null', imageTag:'v2'} does not exist within the repository with name 'demo' in the registry with id '123456789012'"; !strings.Contains(err.Error(), want) {
		t.Errorf("the error reads %q", err)
	}
	_, err = s.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String("nothere")})
	wantCode(t, err, "RepositoryNotFoundException")
}

func TestImagesAreListedPageByPageWithTheirFilter(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	tagged, untagged := map[string]bool{}, map[string]bool{}
	var ids []string
	for i := range 5 {
		tag := ""
		if i%2 == 0 {
			tag = fmt.Sprint("v", i)
		}
		m, d := pushImage(ctx, t, s, "demo", fmt.Sprint(i), tag)
		if tag == "" {
			untagged[d.String()] = true
			ids = append(ids, d.String()+" ")
			continue
		}
		tagged[d.String()] = true
		must(s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("demo"), ImageManifest: &m, ImageTag: aws.String(tag + "-also")}))(t)
		ids = append(ids, d.String()+" "+tag, d.String()+" "+tag+"-also")
	}
	slices.Sort(ids)

	list := func(f *types.ListImagesFilter) (got []string) {
		for token, first := (*string)(nil), true; first || token != nil; first = false {
			out := must(s.ListImages(ctx, &ecr.ListImagesInput{RepositoryName: aws.String("demo"), MaxResults: aws.Int32(2), NextToken: token, Filter: f}))(t)
			if out.ImageIds == nil || len(out.ImageIds) > 2 {
				t.Fatalf("a page holds %v", out.ImageIds)
			}
			for _, id := range out.ImageIds {
				got = append(got, deref(id.ImageDigest)+" "+deref(id.ImageTag))
			}
			token = out.NextToken
		}
		return got
	}
	if got := list(nil); !reflect.DeepEqual(got, ids) {
		t.Errorf("listed\n%v\nwant\n%v", got, ids)
	}
	if got := list(&types.ListImagesFilter{TagStatus: "TAGGED"}); len(got) != 6 {
		t.Errorf("tagged: %v", got)
	}
	if got := list(&types.ListImagesFilter{TagStatus: "UNTAGGED"}); len(got) != 2 || !untagged[strings.TrimSpace(got[0])] {
		t.Errorf("untagged: %v", got)
	}
	if got := list(&types.ListImagesFilter{ImageStatus: "ARCHIVED"}); len(got) != 0 {
		t.Errorf("archived: %v", got)
	}

	describe := func(f *types.DescribeImagesFilter) (got []string) {
		for token, first := (*string)(nil), true; first || token != nil; first = false {
			out := must(s.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String("demo"), MaxResults: aws.Int32(2), NextToken: token, Filter: f}))(t)
			for _, i := range out.ImageDetails {
				got = append(got, deref(i.ImageDigest))
			}
			token = out.NextToken
		}
		return got
	}
	if got := describe(nil); len(got) != 5 || !slices.IsSorted(got) {
		t.Errorf("described %v", got)
	}
	if got := describe(&types.DescribeImagesFilter{TagStatus: "TAGGED", ImageStatus: "ANY"}); len(got) != 3 || !tagged[got[0]] {
		t.Errorf("described as tagged %v", got)
	}
	if got := describe(&types.DescribeImagesFilter{TagStatus: "UNTAGGED"}); len(got) != 2 || !untagged[got[0]] {
		t.Errorf("described as untagged %v", got)
	}
	if got := describe(&types.DescribeImagesFilter{ImageStatus: "ACTIVATING"}); len(got) != 0 {
		t.Errorf("described as activating %v", got)
	}
	all := make([]types.ImageIdentifier, 0, 5)
	for d := range untagged {
		all = append(all, types.ImageIdentifier{ImageDigest: aws.String(d)})
	}
	for d := range tagged {
		all = append(all, types.ImageIdentifier{ImageDigest: aws.String(d)})
	}
	for status, want := range map[types.TagStatus]int{"TAGGED": 3, "UNTAGGED": 2, "ANY": 5} {
		out := must(s.DescribeImages(ctx, &ecr.DescribeImagesInput{
			RepositoryName: aws.String("demo"), ImageIds: all, Filter: &types.DescribeImagesFilter{TagStatus: status},
		}))(t)
		if len(out.ImageDetails) != want {
			t.Errorf("of the images named %d are %s", len(out.ImageDetails), status)
		}
	}

	_, err := s.ListImages(ctx, &ecr.ListImagesInput{RepositoryName: aws.String("nothere")})
	wantCode(t, err, "RepositoryNotFoundException")
	_, err = s.ListImages(ctx, &ecr.ListImagesInput{RepositoryName: aws.String("demo"), NextToken: aws.String("junk")})
	wantCode(t, err, "InvalidParameterException")
}

func TestASignatureTellsItsSubject(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	m, d := pushImage(ctx, t, s, "demo", "a", "v1")
	config := pushLayer(ctx, t, s, "demo", "{}")
	config.MediaType = v1.MediaTypeEmptyJSON
	signature := document(t, v1.Manifest{
		MediaType: v1.MediaTypeImageManifest, ArtifactType: "application/x.signature", Config: config, Layers: []v1.Descriptor{config},
		Subject: &v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: d, Size: int64(len(m))},
	})
	must(s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("demo"), ImageManifest: &signature}))(t)
	out := must(s.DescribeImages(ctx, &ecr.DescribeImagesInput{
		RepositoryName: aws.String("demo"), ImageIds: []types.ImageIdentifier{{ImageDigest: aws.String(digest.FromString(signature).String())}},
	}))(t)
	if got := out.ImageDetails[0]; deref(got.SubjectManifestDigest) != d.String() || deref(got.ArtifactMediaType) != "application/x.signature" || len(got.ImageTags) > 0 {
		t.Errorf("described as %+v", got)
	}
}
