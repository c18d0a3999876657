package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/seal"
	"drydock/auth/throttle"
	"drydock/auth/token"
	"drydock/internal/config"
	"drydock/internal/datadir"
	"drydock/internal/registryhost"
	"drydock/registry"
	"drydock/storage"
	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta/sqlite"
)

// anybody is a door without a guard.
type anybody struct{ who auth.Principal }

func (a anybody) Verify(context.Context, string) (auth.Principal, error) { return a.who, nil }
func (a anybody) VerifyLayer(context.Context, string, string) (auth.Principal, error) {
	return a.who, nil
}
func (anybody) Known(string) bool                             { return true }
func (anybody) Wait(netip.Addr) time.Duration                 { return 0 }
func (anybody) Failed(netip.Addr)                             {}
func (anybody) Refused()                                      {}
func (anybody) Authorize(context.Context, auth.Request) error { return nil }

// BenchmarkManifestGET serves a manifest to a user with 20 policies, over a
// connection that is kept, with every check and without any: the difference is
// what authentication and authorisation cost.
func BenchmarkManifestGET(b *testing.B) {
	ctx, dir := b.Context(), b.TempDir()
	folder, err := datadir.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = folder.Close() })
	db, err := sqlite.Open(ctx, filepath.Join(dir, databaseFile))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	files, err := disk.New(dir)
	if err != nil {
		b.Fatal(err)
	}
	engine, err := storage.New(ctx, storage.Options{
		DB: db, Blobs: blob.NewStore(files), Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), UploadExpiry: time.Hour,
	})
	if err != nil {
		b.Fatal(err)
	}
	box, err := seal.New(make([]byte, seal.KeySize), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	cfg := config.Default(func(string) string { return "" })
	root := rootCredential(cfg.Account, datadir.Key{AccessKeyID: "AKIAROOT", SecretAccessKey: "secret"})
	access, err := openAccess(ctx, site{cfg: cfg, folder: folder, records: records{db: db, box: box}, log: slog.New(slog.DiscardHandler)}, engine, []auth.Credential{root})
	if err != nil {
		b.Fatal(err)
	}
	who := userOfTwentyPolicies(b, access.identities, cfg.Account)
	image := pushEmptyImage(b, engine, storage.Ref{Scope: storage.Scope{Account: cfg.Account, Region: cfg.Region}, Name: "demo"})
	names, err := registryhost.New(cfg.Account, cfg.Region, "localhost", "5000")
	if err != nil {
		b.Fatal(err)
	}
	issuer := token.New(access.signing, access.identities, time.Now, rand.Reader)
	password, _, err := issuer.Password(ctx, who, cfg.Account, cfg.Region)
	if err != nil {
		b.Fatal(err)
	}
	held, err := throttle.New(throttle.Options{Now: time.Now, Refused: func(string) {}})
	if err != nil {
		b.Fatal(err)
	}
	for name, o := range map[string]registry.Options{
		"checked":   {Tokens: issuer, Throttle: held.Door("registry"), Authorizer: access.authorizer},
		"unchecked": {Tokens: anybody{who}, Throttle: anybody{who}, Authorizer: anybody{who}},
	} {
		o.Engine, o.Names, o.Log = engine, names, slog.New(slog.DiscardHandler)
		handler, err := registry.New(o)
		if err != nil {
			b.Fatal(err)
		}
		server := httptest.NewServer(handler)
		b.Cleanup(server.Close)
		b.Run(name, func(b *testing.B) {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v2/demo/manifests/"+image, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.SetBasicAuth("AWS", password)
			for b.Loop() {
				res, err := http.DefaultClient.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				_, err = io.Copy(io.Discard, res.Body)
				if res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
					b.Fatal(res.Status, err)
				}
			}
		})
	}
}

func userOfTwentyPolicies(b *testing.B, s *identity.Store, account string) auth.Principal {
	b.Helper()
	ctx := b.Context()
	if _, err := s.CreateUser(ctx, account, identity.NewUser{Name: "dev", Path: "/"}); err != nil {
		b.Fatal(err)
	}
	user := identity.Entity{Kind: identity.KindUser, Name: "dev"}
	for i := range 10 {
		text := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"],"Resource":"arn:aws:ecr:*:*:repository/team-%d/*"},{"Effect":"Allow","Action":"ecs:*","Resource":"*"},{"Effect":"Deny","Action":"ecr:Delete*","Resource":"*"}]}`, i)
		p, err := s.CreatePolicy(ctx, account, identity.NewPolicy{Name: fmt.Sprintf("team-%d", i), Path: "/", Document: text})
		if err == nil {
			err = s.Attach(ctx, account, user, p.ARN())
		}
		if err != nil {
			b.Fatal(err)
		}
		if err := s.PutInline(ctx, account, user, fmt.Sprintf("i%d", i), `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecr:Batch*","Resource":"*"}}`); err != nil {
			b.Fatal(err)
		}
	}
	key, err := s.CreateAccessKey(ctx, account, "dev")
	if err != nil {
		b.Fatal(err)
	}
	c, err := s.Lookup(ctx, key.ID)
	if err != nil {
		b.Fatal(err)
	}
	return c.Principal
}

// pushEmptyImage stores a manifest that needs nothing and returns its digest.
func pushEmptyImage(b *testing.B, engine *storage.Registry, ref storage.Ref) string {
	b.Helper()
	if _, err := engine.CreateRepository(b.Context(), ref, storage.RepositoryOptions{}); err != nil {
		b.Fatal(err)
	}
	stored, err := engine.PutManifest(b.Context(), ref, storage.ManifestUpload{
		Content: []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`), Tags: []string{"latest"},
	})
	if err != nil {
		b.Fatal(err)
	}
	return string(stored.Digest)
}
