package ecrapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/auth"
	"drydock/auth/policy"
	"drydock/auth/token"
	"drydock/ecrapi/scan"
	"drydock/internal/registryhost"
	"drydock/storage"
	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta/sqlite"
)

var now = time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)

// passwords are such as one can read.
type passwords struct{}

func (passwords) Password(_ context.Context, p auth.Principal, account, region string) (string, time.Time, error) {
	return p.ARN + " for " + account + " in " + region, now.Add(12 * time.Hour), nil
}

func (passwords) LayerToken(_ context.Context, p auth.Principal, resource string, ttl time.Duration) (string, error) {
	return fmt.Sprintf("%s may read %s for %s", p.ARN, resource, ttl), nil
}

// newService is the API over a real engine in a folder of the test, on a server
// whose account and region are those of the caller.
func newService(t *testing.T) (*Service, context.Context) {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "drydock.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	blobs, err := disk.New(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := storage.New(t.Context(), storage.Options{
		DB: db, Blobs: blob.NewStore(blobs),
		Now: func() time.Time { return now }, Random: rand.Reader,
		Log: slog.New(slog.DiscardHandler), UploadExpiry: time.Hour, MostPassed: 2, Watchers: []storage.Watcher{scan.Watcher()},
	})
	if err != nil {
		t.Fatal(err)
	}
	scanner, err := scan.New(scan.Options{
		Engine: engine, DB: db, Folder: filepath.Join(dir, "scan"), Now: func() time.Time { return now },
		Log: slog.New(slog.DiscardHandler), Wake: func(string) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	names, err := registryhost.New(account, region, "localhost", "5000")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Engine: engine, Names: names, Passwords: passwords{}, Policies: policies{}, Scanner: scanner})
	if err != nil {
		t.Fatal(err)
	}
	return s, asCaller(t.Context())
}

// policies allows the caller what a policy allows it in so many words.
type policies struct{}

func (policies) AllowedUnder(_ context.Context, r auth.Request, p *policy.Document) (bool, error) {
	return policy.Decide(&policy.Query{
		Subject: &policy.Subject{Kind: policy.Root, ARN: r.Principal.ARN, Account: r.Principal.Account},
		Action:  r.Action, Resource: r.Resource, ResourceAccount: r.ResourceAccount,
		ResourcePolicy: &policy.Attached{Kind: policy.KindResource, Document: p},
	}).Allowed, nil
}

func (policies) PrincipalExists(_ context.Context, name string) (bool, error) {
	return !strings.Contains(name, "nobody"), nil
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("an API without an engine was made")
	}
}

// must fails the test when an operation that has to work does not.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func createRepository(ctx context.Context, t *testing.T, s *Service, name string) *types.Repository {
	t.Helper()
	return must(s.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: &name}))(t).Repository
}

// pushLayer uploads a layer through the layer operations, in two parts.
func pushLayer(ctx context.Context, t *testing.T, s *Service, repository, content string) v1.Descriptor {
	t.Helper()
	up := must(s.InitiateLayerUpload(ctx, &ecr.InitiateLayerUploadInput{RepositoryName: &repository}))(t)
	half := len(content) / 2
	for _, part := range [][2]int{{0, half}, {half, len(content)}} {
		must(s.UploadLayerPart(ctx, &ecr.UploadLayerPartInput{
			RepositoryName: &repository, UploadId: up.UploadId, LayerPartBlob: []byte(content[part[0]:part[1]]),
			PartFirstByte: aws.Int64(int64(part[0])), PartLastByte: aws.Int64(int64(part[1] - 1)),
		}))(t)
	}
	d := digest.FromString(content)
	must(s.CompleteLayerUpload(ctx, &ecr.CompleteLayerUploadInput{
		RepositoryName: &repository, UploadId: up.UploadId, LayerDigests: []string{d.String()},
	}))(t)
	return v1.Descriptor{Digest: d, Size: int64(len(content))}
}

// pushImage pushes an OCI image of one layer. The tag may be empty.
func pushImage(ctx context.Context, t *testing.T, s *Service, repository, content, tag string) (manifest string, d digest.Digest) {
	t.Helper()
	config := pushLayer(ctx, t, s, repository, `{"architecture":"amd64","os":"linux","of":"`+content+`"}`)
	config.MediaType = v1.MediaTypeImageConfig
	layer := pushLayer(ctx, t, s, repository, "layer "+content)
	layer.MediaType = v1.MediaTypeImageLayerGzip
	manifest = document(t, v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: config, Layers: []v1.Descriptor{layer}})
	in := &ecr.PutImageInput{RepositoryName: &repository, ImageManifest: &manifest, ImageTag: text(tag)}
	out := must(s.PutImage(ctx, in))(t)
	if d = digest.FromString(manifest); deref(out.Image.ImageId.ImageDigest) != d.String() {
		t.Fatalf("the image was stored under %s, want %s", deref(out.Image.ImageId.ImageDigest), d)
	}
	return manifest, d
}

func document(t *testing.T, m any) string {
	t.Helper()
	switch m := m.(type) {
	case v1.Manifest:
		m.SchemaVersion = 2
		return string(must(json.Marshal(m))(t))
	case v1.Index:
		m.SchemaVersion = 2
		return string(must(json.Marshal(m))(t))
	}
	t.Fatalf("%T is no manifest", m)
	return ""
}

// What the server is assembled of fits.
var _ Passwords = (*token.Issuer)(nil)
