package ecrapi

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

func TestARepositoryIsDescribedAsItWasCreated(t *testing.T) {
	s, ctx := newService(t)
	created := must(s.CreateRepository(ctx, &ecr.CreateRepositoryInput{
		RepositoryName: aws.String("team/demo"), ImageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
		ImageTagMutabilityExclusionFilters: filters("dev-*"),
		ImageScanningConfiguration:         &types.ImageScanningConfiguration{ScanOnPush: false},
		Tags:                               tags("team", "a"),
	}))(t).Repository
	if deref(created.RepositoryArn) != "arn:aws:ecr:eu-west-1:123456789012:repository/team/demo" ||
		deref(created.RegistryId) != account || deref(created.RepositoryName) != "team/demo" ||
		deref(created.RepositoryUri) != "localhost:5000/team/demo" ||
		!created.CreatedAt.Equal(now) || created.ImageTagMutability != "IMMUTABLE_WITH_EXCLUSION" ||
		!reflect.DeepEqual(created.ImageTagMutabilityExclusionFilters, filters("dev-*")) ||
		created.ImageScanningConfiguration == nil || created.ImageScanningConfiguration.ScanOnPush ||
		created.EncryptionConfiguration != nil {
		t.Errorf("created %+v", created)
	}
	named := must(s.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"team/demo", "team/demo"}}))(t)
	if len(named.Repositories) != 1 || !reflect.DeepEqual(named.Repositories[0], *created) {
		t.Errorf("described as %+v", named.Repositories)
	}
	_, err := s.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String("team/demo")})
	wantCode(t, err, "RepositoryAlreadyExistsException")
	_, err = s.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"team/demo", "nothere"}})
	wantCode(t, err, "RepositoryNotFoundException")
}

func TestAccountsAndRegionsHaveTheirOwnRepositories(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	elsewhere := must(s.CreateRepository(ctx, &ecr.CreateRepositoryInput{RegistryId: aws.String(other), RepositoryName: aws.String("demo")}))(t).Repository
	if got := deref(elsewhere.RepositoryUri); got != "localhost:5000/222233334444.eu-west-1/demo" {
		t.Errorf("the other account's repository is at %s", got)
	}
	must(s.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("demo")}))(t)
	left := must(s.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RegistryId: aws.String(other)}))(t)
	if len(left.Repositories) != 1 || deref(left.Repositories[0].RegistryId) != other {
		t.Errorf("the other account has %+v", left.Repositories)
	}
	none := must(s.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{}))(t)
	if none.Repositories == nil || len(none.Repositories) != 0 {
		t.Errorf("the account has %+v", none.Repositories)
	}
}

func TestRepositoriesAreListedByNamePageByPage(t *testing.T) {
	s, ctx := newService(t)
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("r%d", 6-i)
		createRepository(ctx, t, s, name)
		want = append([]string{name}, want...)
	}
	var got []string
	pages := 0
	for token := (*string)(nil); pages == 0 || token != nil; pages++ {
		out := must(s.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(3), NextToken: token}))(t)
		for _, r := range out.Repositories {
			got = append(got, deref(r.RepositoryName))
		}
		token = out.NextToken
	}
	if !reflect.DeepEqual(got, want) || pages != 3 {
		t.Errorf("in %d pages came %v", pages, got)
	}
	// Exactly a page: nothing follows.
	out := must(s.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(7)}))(t)
	if out.NextToken != nil {
		t.Error("a token leads to an empty page")
	}
}

func TestARepositoryWithImagesIsDeletedByForceOnly(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	pushImage(ctx, t, s, "demo", "a", "v1")
	_, err := s.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("demo")})
	wantCode(t, err, "RepositoryNotEmptyException")
	out := must(s.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("demo"), Force: true}))(t)
	if deref(out.Repository.RepositoryName) != "demo" {
		t.Errorf("deleted %+v", out.Repository)
	}
	_, err = s.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("demo"), Force: true})
	wantCode(t, err, "RepositoryNotFoundException")
}

func TestMutabilityDecidesWhichTagsMove(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	out := must(s.PutImageTagMutability(ctx, &ecr.PutImageTagMutabilityInput{
		RepositoryName: aws.String("demo"), ImageTagMutability: "IMMUTABLE_WITH_EXCLUSION", ImageTagMutabilityExclusionFilters: filters("dev*"),
	}))(t)
	if out.ImageTagMutability != "IMMUTABLE_WITH_EXCLUSION" || len(out.ImageTagMutabilityExclusionFilters) != 1 || deref(out.RepositoryName) != "demo" || deref(out.RegistryId) != account {
		t.Errorf("got %+v", out)
	}
	pushImage(ctx, t, s, "demo", "a", "v1")
	pushImage(ctx, t, s, "demo", "b", "dev1")
	m, _ := pushImage(ctx, t, s, "demo", "c", "dev1")
	_, err := s.PutImage(ctx, &ecr.PutImageInput{RepositoryName: aws.String("demo"), ImageManifest: &m, ImageTag: aws.String("v1")})
	wantCode(t, err, "ImageTagAlreadyExistsException")
	_, err = s.PutImageTagMutability(ctx, &ecr.PutImageTagMutabilityInput{RepositoryName: aws.String("nothere"), ImageTagMutability: "MUTABLE"})
	wantCode(t, err, "RepositoryNotFoundException")
}

func TestTagsOfARepositoryAreSetAndRemoved(t *testing.T) {
	s, ctx := newService(t)
	resource := createRepository(ctx, t, s, "demo").RepositoryArn
	must(s.TagResource(ctx, &ecr.TagResourceInput{ResourceArn: resource, Tags: tags("b", "1", "a", "")}))(t)
	must(s.TagResource(ctx, &ecr.TagResourceInput{ResourceArn: resource, Tags: tags("b", "2", "c", "3")}))(t)
	must(s.UntagResource(ctx, &ecr.UntagResourceInput{ResourceArn: resource, TagKeys: []string{"c", "nothere"}}))(t)
	if got := must(s.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: resource}))(t).Tags; !reflect.DeepEqual(got, tags("a", "", "b", "2")) {
		t.Errorf("the tags are %+v", got)
	}
	var many []string
	for i := range 49 {
		many = append(many, fmt.Sprint("k", i), "")
	}
	_, err := s.TagResource(ctx, &ecr.TagResourceInput{ResourceArn: resource, Tags: tags(many...)})
	wantCode(t, err, "TooManyTagsException")
	if got := must(s.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: resource}))(t).Tags; len(got) != 2 {
		t.Errorf("a refused request left %d tags", len(got))
	}
	gone := "arn:aws:ecr:eu-west-1:123456789012:repository/nothere"
	_, err = s.TagResource(ctx, &ecr.TagResourceInput{ResourceArn: &gone, Tags: tags("a", "b")})
	wantCode(t, err, "RepositoryNotFoundException")
	_, err = s.UntagResource(ctx, &ecr.UntagResourceInput{ResourceArn: &gone, TagKeys: []string{"a"}})
	wantCode(t, err, "RepositoryNotFoundException")
	_, err = s.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: &gone})
	wantCode(t, err, "RepositoryNotFoundException")
}
