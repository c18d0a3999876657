package ecrapi

import (
	"crypto/rand"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/auth/seal"
	"drydock/awsapi"
	"drydock/ecrapi/signing"
	"drydock/storage"
)

func withProfiles(t *testing.T, s *Service, names ...string) {
	t.Helper()
	box, err := seal.OpenFile(filepath.Join(t.TempDir(), "seal.key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.profiles, err = signing.NewProfiles(signing.ProfilesOptions{Engine: s.engine, Box: box, Now: func() time.Time { return now }, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if _, err := s.profiles.Add(t.Context(), storage.Scope{Account: account, Region: region}, n); err != nil {
			t.Fatal(err)
		}
	}
}

func rules(profile string, patterns ...string) *types.SigningConfiguration {
	r := types.SigningRule{SigningProfileArn: &profile}
	for _, p := range patterns {
		r.RepositoryFilters = append(r.RepositoryFilters, types.SigningRepositoryFilter{Filter: aws.String(p), FilterType: "WILDCARD_MATCH"})
	}
	return &types.SigningConfiguration{Rules: []types.SigningRule{r}}
}

const profileOfAccount = "arn:aws:signer:eu-west-1:123456789012:/signing-profiles/"

func TestASigningConfigurationComesBackAsItWasPutUntilItIsDeleted(t *testing.T) {
	s, ctx := newService(t)
	withProfiles(t, s, "ci")
	_, err := s.GetSigningConfiguration(ctx, &ecr.GetSigningConfigurationInput{})
	wantCode(t, err, "SigningConfigurationNotFoundException")
	_, err = s.DeleteSigningConfiguration(ctx, &ecr.DeleteSigningConfigurationInput{})
	wantCode(t, err, "SigningConfigurationNotFoundException")
	for _, want := range []*types.SigningConfiguration{rules(profileOfAccount+"ci", "team/*", "*x*"), rules(profileOfAccount + "ci"), {Rules: []types.SigningRule{}}} {
		put := must(s.PutSigningConfiguration(ctx, &ecr.PutSigningConfigurationInput{SigningConfiguration: want}))(t)
		got := must(s.GetSigningConfiguration(ctx, &ecr.GetSigningConfigurationInput{}))(t)
		if !reflect.DeepEqual(got.SigningConfiguration, want) || !reflect.DeepEqual(put.SigningConfiguration, want) || deref(got.RegistryId) != account {
			t.Errorf("put %+v, got %+v", want, got.SigningConfiguration)
		}
	}
	gone := must(s.DeleteSigningConfiguration(ctx, &ecr.DeleteSigningConfigurationInput{}))(t)
	if gone.SigningConfiguration == nil || len(gone.SigningConfiguration.Rules) != 0 || deref(gone.RegistryId) != account {
		t.Errorf("deleted %+v", gone)
	}
	_, err = s.GetSigningConfiguration(ctx, &ecr.GetSigningConfigurationInput{})
	wantCode(t, err, "SigningConfigurationNotFoundException")
}

func TestProfilesWithWhichNothingWouldEverBeSignedAreRefused(t *testing.T) {
	s, ctx := newService(t)
	put := func(profile string) error {
		_, err := s.PutSigningConfiguration(ctx, &ecr.PutSigningConfigurationInput{SigningConfiguration: rules(profile)})
		return err
	}
	wantCode(t, put(profileOfAccount+"ci"), "InvalidParameterException") // a server without any
	withProfiles(t, s, "ci")
	for _, profile := range []string{
		"", "ci", profileOfAccount + "other", profileOfAccount + "c",
		"arn:aws:signer:eu-west-1:222233334444:/signing-profiles/ci", "arn:aws:signer:us-east-1:123456789012:/signing-profiles/ci",
		"arn:aws-cn:signer:eu-west-1:123456789012:/signing-profiles/ci",
	} {
		wantCode(t, put(profile), "InvalidParameterException")
	}
	if err := put(profileOfAccount + "ci"); err != nil {
		t.Error(err)
	}
}

func TestTheSigningStatusIsThatOfAnImageThatIsThere(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "app")
	_, d := pushImage(ctx, t, s, "app", "one", "v1")
	status := func(repository string, id types.ImageIdentifier) (*ecr.DescribeImageSigningStatusOutput, error) {
		return s.DescribeImageSigningStatus(ctx, &ecr.DescribeImageSigningStatusInput{RepositoryName: &repository, ImageId: &id})
	}
	tag, text := aws.String("v1"), aws.String(d.String())
	for _, id := range []types.ImageIdentifier{{ImageTag: tag}, {ImageDigest: text}, {ImageTag: tag, ImageDigest: text}} {
		got := must(status("app", id))(t)
		if got.SigningStatuses == nil || len(got.SigningStatuses) != 0 || deref(got.ImageId.ImageDigest) != d.String() || deref(got.RepositoryName) != "app" {
			t.Errorf("got %+v", got)
		}
	}
	_, err := status("app", types.ImageIdentifier{ImageTag: aws.String("v2")})
	wantCode(t, err, "ImageNotFoundException")
	_, err = status("app", types.ImageIdentifier{ImageDigest: aws.String(d1.String())})
	wantCode(t, err, "ImageNotFoundException")
	_, err = status("none", types.ImageIdentifier{ImageTag: tag})
	wantCode(t, err, "RepositoryNotFoundException")
	for _, id := range []types.ImageIdentifier{{}, {ImageDigest: aws.String("md5:aa")}, {ImageDigest: aws.String("v1")}} {
		_, err = status("app", id)
		wantCode(t, err, "InvalidParameterException")
	}
}

func TestSigningTakesThePermissionsOfItsOperations(t *testing.T) {
	ctx := asCaller(t.Context())
	for action, needs := range map[string]func() ([]awsapi.Need, error){
		"PutSigningConfiguration":    func() ([]awsapi.Need, error) { return needsPutSigningConfiguration(ctx, nil) },
		"GetSigningConfiguration":    func() ([]awsapi.Need, error) { return needsGetSigningConfiguration(ctx, nil) },
		"DeleteSigningConfiguration": func() ([]awsapi.Need, error) { return needsDeleteSigningConfiguration(ctx, nil) },
	} {
		got, err := needs()
		if want := []awsapi.Need{{Action: "ecr:" + action, Resource: "*", ResourceAccount: account}}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s takes %+v (%v)", action, got, err)
		}
	}
	got, err := needsDescribeImageSigningStatus(ctx, &ecr.DescribeImageSigningStatusInput{RepositoryName: aws.String("demo")})
	if want := []awsapi.Need{{Action: "ecr:DescribeImageSigningStatus", Resource: arnOf(demo), ResourceAccount: account}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("DescribeImageSigningStatus takes %+v (%v)", got, err)
	}
}
