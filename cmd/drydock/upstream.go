package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"drydock/deploy/secret"
	"drydock/ecrapi/pullthrough"
	"drydock/ecrapi/template"
	"drydock/storage"
)

// openCache opens what fetches images of other registries.
func openCache(s site, engine *storage.Registry, creator *template.Creator, secrets *secret.Store) (*pullthrough.Cache, error) {
	cache, err := pullthrough.New(pullthrough.Options{
		Engine: engine, Creator: creator, Secrets: upstreamSecrets{secrets}, Now: time.Now, Log: s.log,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second,
			// Layers are compressed, and what has a digest is not to be changed.
			DisableCompression: true,
		},
	})
	if err != nil {
		return nil, err
	}
	return cache, s.counts.Upstreams(cache.Counts)
}

// upstreamSecrets are where the credentials of pull-through cache rules are.
type upstreamSecrets struct{ store *secret.Store }

// Secret implements pullthrough.Secrets.
func (u upstreamSecrets) Secret(ctx context.Context, of storage.Scope, arn string) (string, error) {
	r, err := secret.ParseReference(of.Account, of.Region, arn)
	if err != nil || r.Service != secret.SecretsManager {
		return "", fmt.Errorf("%s: %w", arn, pullthrough.ErrNoSecret)
	}
	if r.Account != of.Account || r.Region != of.Region {
		return "", fmt.Errorf("%s: %w", arn, pullthrough.ErrForeignSecret)
	}
	found, err := u.store.Find(ctx, r)
	if errors.Is(err, secret.ErrUnknown) {
		return "", fmt.Errorf("%s: %w", arn, pullthrough.ErrNoSecret)
	}
	if err != nil {
		return "", err
	}
	v, err := found.Version(r.Stage, r.Version)
	if err != nil {
		return "", fmt.Errorf("%s: %w", arn, pullthrough.ErrNoSecret)
	}
	return v.Text, nil
}
