package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// settingsOf are the settings with which the SDK calls a server: the one that the
// environment names, by AWS_ENDPOINT_URL or the variable of a service, else the one
// that is looked at. Without a region it is the SDK's, else the server's.
func (p program) settingsOf(ctx context.Context, v view, region, variable string) (aws.Config, error) {
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(region),
		awsconfig.WithDefaultRegion(v.Region),
		// Amazon's own machines are not asked for credentials: off them, the
		// attempt takes seconds and fails.
		awsconfig.WithEC2IMDSClientEnableState(imds.ClientDisabled),
	}
	if p.getenv("AWS_ENDPOINT_URL") == "" && p.getenv(variable) == "" {
		if v.absent != nil {
			return aws.Config{}, fmt.Errorf("%w, or name a server with AWS_ENDPOINT_URL", v.absent)
		}
		toward, err := p.toward(v)
		if err != nil {
			return aws.Config{}, err
		}
		options = append(options, toward...)
	}
	found, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the settings of the AWS SDK: %w", err)
	}
	return found, nil
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
