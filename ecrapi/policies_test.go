package ecrapi

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"drydock/auth"
)

const (
	allowPull = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"222233334444"},"Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"]}]}`
	denyAll   = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"ecr:*"}]}`
	onAll     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"222233334444"},"Action":"ecr:*","Resource":"arn:aws:ecr:eu-west-1:123456789012:repository/*"}]}`
)

func TestARepositorysPolicyIsKeptAsItWasSet(t *testing.T) {
	s, ctx := newService(t)
	name := aws.String("demo")
	must(s.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: name}))(t)
	get := func() (*ecr.GetRepositoryPolicyOutput, error) {
		return s.GetRepositoryPolicy(ctx, &ecr.GetRepositoryPolicyInput{RepositoryName: name})
	}
	_, err := get()
	wantCode(t, err, "RepositoryPolicyNotFoundException")
	must(s.SetRepositoryPolicy(ctx, &ecr.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: aws.String(allowPull)}))(t)
	if out := must(get())(t); *out.PolicyText != allowPull || *out.RegistryId != account || *out.RepositoryName != "demo" {
		t.Errorf("got %+v", out)
	}
	if out := must(s.DeleteRepositoryPolicy(ctx, &ecr.DeleteRepositoryPolicyInput{RepositoryName: name}))(t); *out.PolicyText != allowPull {
		t.Errorf("deleted %+v", out)
	}
	_, err = s.DeleteRepositoryPolicy(ctx, &ecr.DeleteRepositoryPolicyInput{RepositoryName: name})
	wantCode(t, err, "RepositoryPolicyNotFoundException")

	// A repository that comes after one of the same name has a policy of its own.
	must(s.SetRepositoryPolicy(ctx, &ecr.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: aws.String(allowPull)}))(t)
	must(s.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: name}))(t)
	_, err = get()
	wantCode(t, err, "RepositoryNotFoundException")
	must(s.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: name}))(t)
	_, err = get()
	wantCode(t, err, "RepositoryPolicyNotFoundException")
}

func TestAPolicyThatLocksTheCallerOutHasToBeForced(t *testing.T) {
	s, ctx := newService(t)
	in := &ecr.SetRepositoryPolicyInput{RepositoryName: aws.String("demo"), PolicyText: aws.String(denyAll)}
	must(s.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: in.RepositoryName}))(t)
	_, err := s.SetRepositoryPolicy(ctx, in)
	wantCode(t, err, "InvalidParameterException")
	if !strings.Contains(err.Error(), "will not allow you to update the repository policy in the future") {
		t.Error(err)
	}
	in.Force = true
	must(s.SetRepositoryPolicy(ctx, in))(t)
}

func TestPoliciesThatAreNoneAreRefused(t *testing.T) {
	s, ctx := newService(t)
	name := aws.String("demo")
	must(s.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: name}))(t)
	for text, says := range map[string]string{
		`{`:                "Invalid repository policy provided",
		`{"Statement":[]}`: "Invalid repository policy provided",
		strings.ReplaceAll(allowPull, `"Effect"`, `"Resource":"*","Effect"`):                   "Invalid repository policy provided: a statement has a Resource",
		strings.ReplaceAll(allowPull, `"Principal":{"AWS":"222233334444"},`, ""):               "Invalid repository policy provided",
		strings.ReplaceAll(allowPull, "222233334444", "arn:aws:iam::123456789012:user/nobody"): "Principal not found",
	} {
		_, err := s.SetRepositoryPolicy(ctx, &ecr.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: &text})
		wantCode(t, err, "InvalidParameterException")
		if !strings.Contains(err.Error(), "Invalid parameter at 'PolicyText' failed to satisfy constraint: '"+says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	_, err := s.SetRepositoryPolicy(ctx, &ecr.SetRepositoryPolicyInput{RepositoryName: aws.String("none"), PolicyText: aws.String(allowPull)})
	wantCode(t, err, "RepositoryNotFoundException")
}

func TestARegistrysPolicyIsKeptAsItWasPut(t *testing.T) {
	s, ctx := newService(t)
	_, err := s.GetRegistryPolicy(ctx, &ecr.GetRegistryPolicyInput{})
	wantCode(t, err, "RegistryPolicyNotFoundException")
	_, err = s.PutRegistryPolicy(ctx, &ecr.PutRegistryPolicyInput{PolicyText: aws.String(allowPull)}) // it names no resource
	wantCode(t, err, "InvalidParameterException")
	must(s.PutRegistryPolicy(ctx, &ecr.PutRegistryPolicyInput{PolicyText: aws.String(onAll)}))(t)
	if out := must(s.GetRegistryPolicy(ctx, &ecr.GetRegistryPolicyInput{}))(t); *out.PolicyText != onAll || *out.RegistryId != account {
		t.Errorf("got %+v", out)
	}
	must(s.DeleteRegistryPolicy(ctx, &ecr.DeleteRegistryPolicyInput{}))(t)
	_, err = s.DeleteRegistryPolicy(ctx, &ecr.DeleteRegistryPolicyInput{})
	wantCode(t, err, "RegistryPolicyNotFoundException")
}

func TestTheRootOfTheOwnerFindsAWayBack(t *testing.T) {
	s, ctx := newService(t)
	name := aws.String("demo")
	must(s.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: name}))(t)
	must(s.SetRepositoryPolicy(ctx, &ecr.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: aws.String(denyAll), Force: true}))(t)
	r := NewResources(s.engine)
	for _, c := range []struct {
		who, action string
		speaks      bool
	}{
		{auth.RootARN(account), "ecr:DeleteRepositoryPolicy", false},
		{auth.RootARN(account), "ecr:SetRepositoryPolicy", false},
		{auth.RootARN(account), "ecr:PutImage", true},
		{"arn:aws:iam::" + account + ":user/dev", "ecr:DeleteRepositoryPolicy", true},
		{auth.RootARN(other), "ecr:DeleteRepositoryPolicy", true},
	} {
		a, err := r.Access(ctx, auth.Request{
			Principal: auth.Principal{ARN: c.who, Account: strings.Split(c.who, ":")[4]}, Action: c.action,
			Resource: "arn:aws:ecr:eu-west-1:" + account + ":repository/demo", ResourceAccount: account,
		})
		if err != nil || (a.Policy != nil) != c.speaks {
			t.Errorf("%s, %s: %+v, %v", c.who, c.action, a, err)
		}
	}
}
