package ecrapi

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/auth"
	"drydock/awsapi"
)

const (
	account = "123456789012"
	other   = "222233334444"
	region  = "eu-west-1"
)

// asCaller is the context of a call by the root of the account.
func asCaller(ctx context.Context) context.Context {
	return awsapi.WithCall(ctx, &awsapi.Call{
		RequestID: "test",
		Region:    region,
		Principal: auth.Principal{ARN: auth.RootARN(account), Account: account, UserID: account, AccessKeyID: "AKIATEST"},
	})
}

func TestEachOperationTakesThePermissionOfItsName(t *testing.T) {
	ctx := asCaller(t.Context())
	name, arn := aws.String("team/demo"), aws.String("arn:aws:ecr:eu-west-1:123456789012:repository/team/demo")
	for _, c := range []struct {
		action string
		needs  func() ([]awsapi.Need, error)
	}{
		{"CreateRepository", func() ([]awsapi.Need, error) {
			return needsCreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: name})
		}},
		{"GetRepositoryPolicy", func() ([]awsapi.Need, error) {
			return needsGetRepositoryPolicy(ctx, &ecr.GetRepositoryPolicyInput{RepositoryName: name})
		}},
		{"SetRepositoryPolicy", func() ([]awsapi.Need, error) {
			return needsSetRepositoryPolicy(ctx, &ecr.SetRepositoryPolicyInput{RepositoryName: name})
		}},
		{"DeleteRepositoryPolicy", func() ([]awsapi.Need, error) {
			return needsDeleteRepositoryPolicy(ctx, &ecr.DeleteRepositoryPolicyInput{RepositoryName: name})
		}},
		{"DescribeRepositories", func() ([]awsapi.Need, error) {
			return needsDescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{*name}})
		}},
		{"DeleteRepository", func() ([]awsapi.Need, error) {
			return needsDeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: name})
		}},
		{"PutImageTagMutability", func() ([]awsapi.Need, error) {
			return needsPutImageTagMutability(ctx, &ecr.PutImageTagMutabilityInput{RepositoryName: name})
		}},
		{"ListImages", func() ([]awsapi.Need, error) {
			return needsListImages(ctx, &ecr.ListImagesInput{RepositoryName: name})
		}},
		{"DescribeImages", func() ([]awsapi.Need, error) {
			return needsDescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: name})
		}},
		{"BatchGetImage", func() ([]awsapi.Need, error) {
			return needsBatchGetImage(ctx, &ecr.BatchGetImageInput{RepositoryName: name})
		}},
		{"BatchDeleteImage", func() ([]awsapi.Need, error) {
			return needsBatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{RepositoryName: name})
		}},
		{"PutImage", func() ([]awsapi.Need, error) {
			return needsPutImage(ctx, &ecr.PutImageInput{RepositoryName: name})
		}},
		{"BatchCheckLayerAvailability", func() ([]awsapi.Need, error) {
			return needsBatchCheckLayerAvailability(ctx, &ecr.BatchCheckLayerAvailabilityInput{RepositoryName: name})
		}},
		{"InitiateLayerUpload", func() ([]awsapi.Need, error) {
			return needsInitiateLayerUpload(ctx, &ecr.InitiateLayerUploadInput{RepositoryName: name})
		}},
		{"UploadLayerPart", func() ([]awsapi.Need, error) {
			return needsUploadLayerPart(ctx, &ecr.UploadLayerPartInput{RepositoryName: name})
		}},
		{"CompleteLayerUpload", func() ([]awsapi.Need, error) {
			return needsCompleteLayerUpload(ctx, &ecr.CompleteLayerUploadInput{RepositoryName: name})
		}},
		{"GetDownloadUrlForLayer", func() ([]awsapi.Need, error) {
			return needsGetDownloadUrlForLayer(ctx, &ecr.GetDownloadUrlForLayerInput{RepositoryName: name})
		}},
		{"TagResource", func() ([]awsapi.Need, error) {
			return needsTagResource(ctx, &ecr.TagResourceInput{ResourceArn: arn})
		}},
		{"UntagResource", func() ([]awsapi.Need, error) {
			needs, err := needsUntagResource(ctx, &ecr.UntagResourceInput{ResourceArn: arn})
			return withKeys(needs, nil), err
		}},
		{"ListTagsForResource", func() ([]awsapi.Need, error) {
			return needsListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: arn})
		}},
	} {
		got, err := c.needs()
		want := []awsapi.Need{{Action: "ecr:" + c.action, Resource: *arn, ResourceAccount: account}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s takes %+v (%v), want %+v", c.action, got, err, want)
		}
	}
}

func passwordsFor(accounts ...string) *ecr.GetAuthorizationTokenInput {
	//lint:ignore SA1019 deprecated, but docker's credential helper still sends it
	return &ecr.GetAuthorizationTokenInput{RegistryIds: accounts}
}

func TestWhatNamesNoRepositoryTakesThePermissionOnAll(t *testing.T) {
	ctx := asCaller(t.Context())
	got, err := needsGetAuthorizationToken(ctx, passwordsFor(other))
	if want := (awsapi.Need{Action: "ecr:GetAuthorizationToken", Resource: "*", ResourceAccount: account}); err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("GetAuthorizationToken takes %+v (%v)", got, err)
	}
	got, err = needsDescribeRegistry(ctx, &ecr.DescribeRegistryInput{})
	if want := (awsapi.Need{Action: "ecr:DescribeRegistry", Resource: "*", ResourceAccount: account}); err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("DescribeRegistry takes %+v (%v)", got, err)
	}
	got, err = needsDescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RegistryId: aws.String(other)})
	want := awsapi.Need{Action: "ecr:DescribeRepositories", Resource: "arn:aws:ecr:eu-west-1:222233334444:repository/*", ResourceAccount: other}
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("DescribeRepositories takes %+v (%v)", got, err)
	}
}

func TestTagsAtCreationTakeThePermissionToTag(t *testing.T) {
	got, err := needsCreateRepository(asCaller(t.Context()), &ecr.CreateRepositoryInput{
		RegistryId: aws.String(other), RepositoryName: aws.String("demo"),
		Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	})
	if err != nil || len(got) != 2 || got[0].Action != "ecr:CreateRepository" || got[1].Action != "ecr:TagResource" ||
		got[0].ResourceAccount != other || !strings.Contains(got[1].Resource, other) {
		t.Errorf("got %+v (%v)", got, err)
	}
}

func TestTagsAreOfRepositoriesOfTheRegionOnly(t *testing.T) {
	ctx := asCaller(t.Context())
	for _, arn := range []string{
		"", "demo", "arn:aws:ecr:eu-west-1:123456789012:repository/", "arn:aws:ecr:eu-west-1:123456789012:demo",
		"arn:aws:ecs:eu-west-1:123456789012:repository/demo", "arn:aws:ecr:eu-west-1::repository/demo",
		"arn:aws:ecr:us-east-1:123456789012:repository/demo", "arn:aws-cn:ecr:eu-west-1:123456789012:repository/demo",
	} {
		_, err := needsListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: &arn})
		wantCode(t, err, "InvalidParameterException")
	}
	_, err := needsListTagsForResource(ctx, &ecr.ListTagsForResourceInput{})
	wantCode(t, err, "InvalidParameterException")
}

func TestOfRequestedTagsThatDifferInCaseOnlyNeitherIsSeen(t *testing.T) {
	in := &ecr.TagResourceInput{ResourceArn: aws.String("arn:aws:ecr:eu-west-1:123456789012:repository/demo")}
	for i, key := range []string{"cost", "team", "TEAM", "Team"} {
		in.Tags = append(in.Tags, types.Tag{Key: &key, Value: aws.String(string(rune('a' + i)))})
	}
	needs, err := needsTagResource(asCaller(t.Context()), in)
	if err != nil {
		t.Fatal(err)
	}
	keys := needs[0].Keys
	if v := keys["aws:requesttag/team"]; len(v) != 0 {
		t.Errorf("one of three tags is taken for all: %q", v)
	}
	if len(keys["aws:requesttag/cost"]) != 1 || len(keys["aws:tagkeys"]) != 4 {
		t.Errorf("%v", keys)
	}
}
