package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/golang-jwt/jwt/v5"

	"drydock/internal/config"
	"drydock/internal/datadir"
)

const labWithGitlab = `
roles:
  - name: push
    trust:
      Version: 2012-10-17
      Statement:
        Effect: Allow
        Principal: { Federated: "arn:aws:iam::123456789012:oidc-provider/gitlab.example" }
        Action: sts:AssumeRoleWithWebIdentity
        Condition: { StringLike: { "gitlab.example:sub": "project_path:team-a/*" } }
    policies: ["arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser"]
oidc_providers:
  - { issuer: "https://gitlab.example", audiences: [drydock], jwks_file: keys.json }
`

// TestAJobOfADeclaredIssuerPushesWithoutAKey goes all the way from the file to a
// registry password: its issuer's token becomes a session of its role.
func TestAJobOfADeclaredIssuerPushesWithoutAKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	word := base64.RawURLEncoding.EncodeToString
	dir := t.TempDir()
	for name, text := range map[string]string{
		"iam.yaml":  labWithGitlab,
		"keys.json": fmt.Sprintf(`{"keys":[{"kty":"EC","kid":"k1","crv":"P-256","x":"%s","y":"%s"}]}`, word(point[1:33]), word(point[33:])),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	token := func(subject string) *string {
		job := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": "https://gitlab.example", "aud": "drydock", "sub": subject,
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()})
		job.Header["kid"] = "k1"
		text, err := job.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return &text
	}
	cfg := config.Default(func(string) string { return "" })
	cfg.Data, cfg.Listen, cfg.IAM = filepath.Join(dir, "data"), []string{"127.0.0.1:0"}, filepath.Join(dir, "iam.yaml")
	url := serving(t, cfg)

	anyone := sts.New(sts.Options{Region: cfg.Region, BaseEndpoint: &url, RetryMaxAttempts: 1})
	assume := func(subject string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
		return anyone.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: aws.String("arn:aws:iam::123456789012:role/push"), RoleSessionName: aws.String("job-1"), WebIdentityToken: token(subject),
		})
	}
	if _, err := assume("project_path:team-b/app"); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("a job of another team: %v", err)
	}
	session, err := assume("project_path:team-a/app")
	if err != nil {
		t.Fatal(err)
	}
	c := session.Credentials
	job := ecr.New(ecr.Options{Region: cfg.Region, BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)})
	if out, err := job.GetAuthorizationToken(t.Context(), nil); err != nil || len(out.AuthorizationData) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}

// serving runs a server until the test ends and returns its URL.
func serving(t *testing.T, cfg config.Config) (url string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, make(chan struct{}), cfg, "test", io.Discard, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-ended:
			ended <- nil
			t.Fatal(errors.Join(errors.New("the server did not start"), err))
		default:
		}
		s, err := datadir.Running(cfg.Data)
		if err != nil {
			continue
		}
		if _, err := askReady(ctx, s.URL); err == nil {
			return s.URL
		}
	}
	t.Fatal("the server did not become ready")
	return ""
}
