package harness

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

// AWSEnv is what makes the aws CLI and the SDKs use the server with the root key
// and nothing else of the machine's own settings.
func (s *Server) AWSEnv() []string {
	return Environ(append(s.rootKey(), "AWS_ENDPOINT_URL="+s.URL())...)
}

func (s *Server) rootKey() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + RootKey,
		"AWS_SECRET_ACCESS_KEY=" + RootSecret,
		"AWS_DEFAULT_REGION=" + s.Region,
		"AWS_REGION=" + s.Region,
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_PAGER=",
	}
}

// ECR is an SDK client of the server with the root key.
func (s *Server) ECR() *ecr.Client {
	return ecr.New(ecr.Options{
		Region:           s.Region,
		BaseEndpoint:     aws.String(s.URL()),
		RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: RootKey, SecretAccessKey: RootSecret}, nil
		}),
	})
}

// CreateRepository creates a repository through the API and returns the address
// that the API gave for it.
func (s *Server) CreateRepository(t testing.TB, name string) string {
	t.Helper()
	out, err := s.ECR().CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String(name)})
	if err != nil {
		t.Fatalf("creating the repository %s: %v", name, err)
	}
	return aws.ToString(out.Repository.RepositoryUri)
}

// Password is a registry password from GetAuthorizationToken.
func (s *Server) Password(t testing.TB) string {
	t.Helper()
	password, err := s.password(t.Context())
	if err != nil {
		t.Fatalf("getting a registry password: %v", err)
	}
	return password
}

func (s *Server) password(ctx context.Context) (string, error) {
	out, err := s.ECR().GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return "", err
	}
	if len(out.AuthorizationData) == 0 {
		return "", fmt.Errorf("no authorization data in the answer")
	}
	plain, err := base64.StdEncoding.DecodeString(aws.ToString(out.AuthorizationData[0].AuthorizationToken))
	if err != nil {
		return "", err
	}
	user, password, _ := strings.Cut(string(plain), ":")
	if user != "AWS" {
		return "", fmt.Errorf("the token is for the user %q, not AWS", user)
	}
	return password, nil
}

// Client is a registry client with a password from the API.
func (s *Server) Client(t testing.TB) *Client {
	t.Helper()
	return NewClient(s.URL(), "AWS", s.Password(t))
}

// AWSVersion finds an aws CLI of the major version asked for (1 or 2): the one
// on the PATH, else Debian's. "" when the machine has none.
func AWSVersion(t testing.TB, major int) string {
	t.Helper()
	want := fmt.Sprintf("aws-cli/%d.", major)
	for _, name := range []string{"aws", "/usr/bin/aws", "/usr/local/bin/aws"} {
		// Version 1 wrote its version to standard error once.
		out, err := Runner{Env: Environ()}.Try("", "sh", "-c", name+" --version 2>&1")
		if err == nil && strings.HasPrefix(out, want) {
			return name
		}
	}
	return ""
}
