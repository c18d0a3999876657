package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
	found, err := p.settingsOf(ctx, v, region, "AWS_ENDPOINT_URL_ECR")
	if err != nil {
		return "", err
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
