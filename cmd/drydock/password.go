package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/spf13/cobra"
)

func (p program) password() *cobra.Command {
	c := &cobra.Command{
		Use:   "get-login-password",
		Short: "Print the password for docker login, as aws ecr get-login-password does",
		Long: `Print the password for docker login, as aws ecr get-login-password does, on
machines that have no aws CLI:

  drydock get-login-password | docker login --username AWS --password-stdin localhost:5000

The server is the one that AWS_ENDPOINT_URL names, with the credentials that the
SDKs find (environment, profile); else the one that runs on the data folder, with
credentials from the environment or, where there are none, its root key.`,
		Args: noArguments,
	}
	load := p.lookingAt(c, "region")
	c.RunE = func(c *cobra.Command, _ []string) error {
		v, err := load()
		if err != nil {
			return err
		}
		region := ""
		if c.Flags().Changed("region") {
			region = v.Region
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		password, err := p.fetchPassword(ctx, v, region)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.out, password)
		return err
	}
	return c
}

// fetchPassword calls GetAuthorizationToken. Without a region it is the SDK's, else
// the server's.
func (p program) fetchPassword(ctx context.Context, v view, region string) (string, error) {
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(region),
		awsconfig.WithDefaultRegion(v.Region),
		// Amazon's own machines are not asked for credentials: off them, the
		// attempt takes seconds and fails.
		awsconfig.WithEC2IMDSClientEnableState(imds.ClientDisabled),
	}
	if p.getenv("AWS_ENDPOINT_URL") == "" && p.getenv("AWS_ENDPOINT_URL_ECR") == "" {
		if v.absent != nil {
			return "", fmt.Errorf("%w, or name a server with AWS_ENDPOINT_URL", v.absent)
		}
		toward, err := p.toward(v)
		if err != nil {
			return "", err
		}
		options = append(options, toward...)
	}
	found, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return "", fmt.Errorf("reading the settings of the AWS SDK: %w", err)
	}
	answer, err := ecr.NewFromConfig(found).GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return "", fmt.Errorf("asking for a password: %w", err)
	}
	if len(answer.AuthorizationData) == 0 {
		return "", errors.New("asking for a password: the server's answer holds none")
	}
	token, err := base64.StdEncoding.DecodeString(aws.ToString(answer.AuthorizationData[0].AuthorizationToken))
	_, password, ok := strings.Cut(string(token), ":")
	if err != nil || !ok {
		return "", errors.New("asking for a password: the server's answer is not of the form user:password")
	}
	return password, nil
}

// toward makes the SDK use a server that runs on this machine. Credentials of the
// user's profiles are most likely Amazon's and no business of this server; those
// in the environment are taken, being how every other client is told.
func (p program) toward(v view) ([]func(*awsconfig.LoadOptions) error, error) {
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithBaseEndpoint(v.server.URL)}
	if p.getenv("AWS_ACCESS_KEY_ID") == "" && p.getenv("AWS_PROFILE") == "" {
		key, err := v.rootKey()
		if err != nil {
			return nil, err
		}
		options = append(options, awsconfig.WithCredentialsProvider(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, nil
		})))
	}
	if strings.HasPrefix(v.server.URL, "https:") && v.server.CABundle != "" && p.getenv("AWS_CA_BUNDLE") == "" {
		pem, err := os.ReadFile(v.server.CABundle)
		if err != nil {
			return nil, fmt.Errorf("reading the server's certificate authority: %w", err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		options = append(options, awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		})))
	}
	return options, nil
}
