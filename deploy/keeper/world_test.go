package keeper

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/auth"
	"drydock/auth/enforce"
	"drydock/auth/identity"
	"drydock/auth/identity/managed"
	"drydock/auth/seal"
	"drydock/auth/token"
	"drydock/deploy/inside"
	"drydock/deploy/machine"
	"drydock/deploy/role"
	"drydock/deploy/secret"
	"drydock/ecrapi"
	"drydock/internal/registryhost"
	"drydock/storage"
	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

const (
	home   = "1234567890"
	other  = "111122223333"
	region = "eu-west-1"
	taskID = "0123456789abcdef0123456789abcdef"
)

const trustsTasks = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}}`

// ring is one key of registry passwords.
type ring token.Key

func (r ring) Signing() (token.Key, error)                          { return token.Key(r), nil }
func (r ring) Verifying(context.Context, string) (token.Key, error) { return token.Key(r), nil }
func allow(actions string) string                                   { return allowOn(actions, "*") }
func got[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T { t.Helper(); must(t, err); return v }
}
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
func allowOn(actions, resource string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["%s"],"Resource":"%s"}}`, strings.Join(strings.Fields(actions), `","`), resource)
}

// world is a keeper over the real identities, the real engine and the real authorizer.
type world struct {
	*Keeper
	t       *testing.T
	db      meta.DB
	store   *identity.Store
	engine  *storage.Registry
	tokens  *token.Issuer
	secrets *secret.Store
	roles   *role.Roles
	options Options
	now     time.Time

	mu      sync.Mutex
	decided []auth.Request
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, db: testdb.New(t).Open(t), now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return w.now }
	box := got[*seal.Box](t)(seal.New([]byte(strings.Repeat("k", seal.KeySize)), rand.Reader))
	roots := []auth.Credential{}
	for _, a := range []string{home, other} {
		roots = append(roots, auth.Credential{AccessKeyID: "AKIA" + a, SecretAccessKey: "secret", Principal: auth.Principal{ARN: auth.RootARN(a), Account: a, UserID: a}})
	}
	w.store = got[*identity.Store](t)(identity.New(ctx, identity.Options{DB: w.db, Seal: box, Managed: got[*managed.Set](t)(managed.Load()), Now: now, Random: rand.Reader, Roots: roots}))
	files := got[*disk.Driver](t)(disk.New(t.TempDir()))
	w.engine = got[*storage.Registry](t)(storage.New(ctx, storage.Options{
		DB: w.db, Blobs: blob.NewStore(files), Now: now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), UploadExpiry: time.Hour,
	}))
	decide := got[*enforce.Authorizer](t)(enforce.New(enforce.Options{
		Subjects: w.store, Resources: map[string]enforce.Resources{"ecr": ecrapi.NewResources(w.engine), "iam": enforce.Roles{Trusts: w.store}},
		Watch: func(_ context.Context, d enforce.Decision) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.decided = append(w.decided, d.Request)
		},
	}))
	w.tokens = token.New(ring{ID: "k", Secret: []byte(strings.Repeat("s", token.SecretSize))}, w.store, now, rand.Reader)
	w.roles = got[*role.Roles](t)(role.New(role.Options{Identities: w.store, Authorizer: decide, Now: now}))
	w.secrets = got[*secret.Store](t)(secret.New(secret.Options{DB: w.db, Seal: box, Now: now, Random: rand.Reader}))
	place := inside.Open(ctx, inside.PlaceOptions{Address: netip.MustParseAddr("127.0.0.1")})
	must(t, place.Held())
	t.Cleanup(func() { _ = place.Close() })
	w.options = Options{
		Engine: w.engine, Passwords: w.tokens, Roles: w.roles, Secrets: w.secrets, Door: got[*registryhost.Names](t)(registryhost.New(home, region, "localhost", "5000")),
		Place: place, IDs: inside.NewIDs(box), LogsEndpoint: "http://localhost:5000",
	}
	w.Keeper = got[*Keeper](t)(New(w.options))
	return w
}

// role makes a role with a policy, which may be empty, and returns its ARN.
func (w *world) role(name, trust, policy string) string {
	w.t.Helper()
	return w.roleIn(home, name, trust, policy)
}

func (w *world) roleIn(account, name, trust, policy string) string {
	w.t.Helper()
	r := got[identity.Role](w.t)(w.store.CreateRole(w.t.Context(), account, identity.NewRole{Name: name, Trust: trust}))
	if policy != "" {
		must(w.t, w.store.PutInline(w.t.Context(), account, identity.Entity{Kind: identity.KindRole, Name: name}, "may", policy))
	}
	return r.ARN()
}

// image puts an image of no platform at all into a repository.
func (w *world) image(name, tag string) digest.Digest {
	w.t.Helper()
	ref := storage.Ref{Scope: storage.Scope{Account: home, Region: region}, Name: name}
	_ = got[storage.Repository](w.t)(w.engine.CreateRepository(w.t.Context(), ref, storage.RepositoryOptions{}))
	v := got[storage.Stored](w.t)(w.engine.PutManifest(w.t.Context(), ref, storage.ManifestUpload{
		Content: []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`), Tags: []string{tag},
	}))
	return v.Digest
}

// task is a task of one container.
func task(executionRole string) machine.Task {
	return machine.Task{
		ARN: "arn:aws:ecs:" + region + ":" + home + ":task/default/" + taskID, Cluster: "default", Family: "web", Revision: 1, Account: home, Region: region,
		LaunchType: "EC2", NetworkMode: "bridge", ExecutionRoleARN: executionRole, Containers: []machine.Container{{Name: "app", Image: "localhost:5000/app:1"}},
	}
}
