package ecrapi

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/awsapi"
)

func TestPullThroughCacheRulesAreKeptAsTheyWereMade(t *testing.T) {
	s, ctx := newService(t)
	make := func(prefix, url string) *ecr.CreatePullThroughCacheRuleInput {
		return &ecr.CreatePullThroughCacheRuleInput{EcrRepositoryPrefix: &prefix, UpstreamRegistryUrl: &url}
	}
	made := must(s.CreatePullThroughCacheRule(ctx, make("hub", "registry-1.docker.io")))(t)
	if made.UpstreamRegistry != types.UpstreamRegistryDockerHub || deref(made.UpstreamRepositoryPrefix) != "ROOT" || deref(made.RegistryId) != account {
		t.Errorf("made %+v", made)
	}
	must(s.CreatePullThroughCacheRule(ctx, make("ROOT", "https://mirror.example.com:5000")))(t)
	var exists *types.PullThroughCacheRuleAlreadyExistsException
	if _, err := s.CreatePullThroughCacheRule(ctx, make("hub/", "quay.io")); !errors.As(err, &exists) {
		t.Errorf("the same prefix again: %v", err)
	}
	var unsupported *types.UnsupportedUpstreamRegistryException
	for _, in := range []*ecr.CreatePullThroughCacheRuleInput{
		make("a1", "http://example.com"), make("a1", "quay.io/path"), make("a1", "ftp://quay.io"),
		{EcrRepositoryPrefix: aws.String("a1"), UpstreamRegistryUrl: aws.String("quay.io"), UpstreamRegistry: types.UpstreamRegistryK8s},
	} {
		if _, err := s.CreatePullThroughCacheRule(ctx, in); !errors.As(err, &unsupported) {
			t.Errorf("%s: %v", *in.UpstreamRegistryUrl, err)
		}
	}
	var invalid *types.InvalidParameterException
	role := make("a1", "quay.io")
	role.CustomRoleArn = aws.String("arn:aws:iam::123456789012:role/x")
	if _, err := s.CreatePullThroughCacheRule(ctx, role); !errors.As(err, &invalid) {
		t.Errorf("a role, which nothing would be done with: %v", err)
	}
	// One after the other, page by page.
	var seen []string
	in := &ecr.DescribePullThroughCacheRulesInput{MaxResults: aws.Int32(1)}
	for {
		page := must(s.DescribePullThroughCacheRules(ctx, in))(t)
		for _, r := range page.PullThroughCacheRules {
			seen = append(seen, *r.EcrRepositoryPrefix+" "+*r.UpstreamRegistryUrl+" "+string(r.UpstreamRegistry))
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	if got := fmt.Sprint(seen); got != "[ROOT https://mirror.example.com:5000  hub registry-1.docker.io docker-hub]" {
		t.Errorf("described are %s", got)
	}
	var none *types.PullThroughCacheRuleNotFoundException
	absent := aws.String("absent")
	for name, call := range map[string]func() error{
		"describe": func() error {
			_, err := s.DescribePullThroughCacheRules(ctx, &ecr.DescribePullThroughCacheRulesInput{EcrRepositoryPrefixes: []string{"absent"}})
			return err
		},
		"update": func() error {
			_, err := s.UpdatePullThroughCacheRule(ctx, &ecr.UpdatePullThroughCacheRuleInput{EcrRepositoryPrefix: absent})
			return err
		},
		"validate": func() error {
			_, err := s.ValidatePullThroughCacheRule(ctx, &ecr.ValidatePullThroughCacheRuleInput{EcrRepositoryPrefix: absent})
			return err
		},
		"delete": func() error {
			_, err := s.DeletePullThroughCacheRule(ctx, &ecr.DeletePullThroughCacheRuleInput{EcrRepositoryPrefix: absent})
			return err
		},
	} {
		if err := call(); !errors.As(err, &none) {
			t.Errorf("%s one that is not there: %v", name, err)
		}
	}
	must(s.DeletePullThroughCacheRule(ctx, &ecr.DeletePullThroughCacheRuleInput{EcrRepositoryPrefix: aws.String("hub")}))(t)
	for i := range 49 {
		must(s.CreatePullThroughCacheRule(ctx, make(fmt.Sprintf("p%d", i), "quay.io")))(t)
	}
	var limit *types.LimitExceededException
	if _, err := s.CreatePullThroughCacheRule(ctx, make("one-more", "quay.io")); !errors.As(err, &limit) {
		t.Errorf("the 51st rule: %v", err)
	}
	if _, err := s.CreatePullThroughCacheRule(ctx, make("p1", "quay.io")); !errors.As(err, &exists) {
		t.Errorf("a rule that is there, in a registry that is full: %v", err)
	}
}

func TestRulesOfAnotherRegistryTakeItsPermission(t *testing.T) {
	needs := must(needsCreatePullThroughCacheRule(asCaller(t.Context()), &ecr.CreatePullThroughCacheRuleInput{RegistryId: aws.String(other)}))(t)
	if want := (awsapi.Need{Action: "ecr:CreatePullThroughCacheRule", Resource: "*", ResourceAccount: other}); len(needs) != 1 || needs[0].Action != want.Action || needs[0].ResourceAccount != other {
		t.Errorf("it takes %+v, want %+v", needs, want)
	}
}
