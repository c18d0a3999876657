package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (p program) health() *cobra.Command {
	c := &cobra.Command{
		Use:   "health",
		Short: "Say whether the running server can do its work",
		Long: `Ask the server that runs on the data folder whether it can do its work. The exit
status is 0 when it can, else 1: what a container's health check wants.`,
		Args: noArguments,
	}
	load := p.lookingAt(c)
	c.RunE = func(*cobra.Command, []string) error {
		v, err := load()
		if err != nil {
			return err
		}
		if v.absent != nil {
			return v.absent
		}
		answer, err := askReady(context.Background(), v.server.URL)
		if err != nil {
			return fmt.Errorf("the server at %s cannot do its work: %w", v.server.URL, err)
		}
		_, err = fmt.Fprintf(p.out, "%s: %s\n", v.server.URL, answer)
		return err
	}
	return c
}

func askReady(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return "", err
	}
	// Nothing secret is sent, and a certificate of the user's own need not be
	// for the address that this asks.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1000))
	if err != nil {
		return "", err
	}
	said := strings.TrimSpace(string(text))
	if answer.StatusCode != http.StatusOK {
		return "", errors.New(said)
	}
	return said, nil
}
