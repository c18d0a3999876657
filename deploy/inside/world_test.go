package inside

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/auth"
	"drydock/auth/enforce"
	"drydock/auth/identity"
	"drydock/auth/identity/managed"
	"drydock/auth/oidc"
	"drydock/auth/seal"
	"drydock/auth/sigv4"
	"drydock/auth/stsapi"
	"drydock/auth/throttle"
	"drydock/awsapi"
	"drydock/awsapi/constraints"
	"drydock/deploy"
	"drydock/deploy/machine"
	"drydock/deploy/record"
	"drydock/deploy/role"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

const (
	home   = "1234567890"
	region = "eu-west-1"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const trustsTasks = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}}`

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func got[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T { t.Helper(); must(t, err); return v }
}

// fleet is a machine of which a test says what it has.
type fleet struct {
	machine.Machine
	mu      sync.Mutex
	states  map[string]machine.State
	watcher chan machine.State
}

func (f *fleet) set(st machine.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st.Containers = slices.Clone(st.Containers) // the caller's it may change
	f.states[st.ARN] = st
}

func (f *fleet) Tasks(context.Context) ([]machine.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []machine.State
	for _, st := range f.states {
		st.Containers = slices.Clone(st.Containers)
		list = append(list, st)
	}
	return list, nil
}

func (f *fleet) Watch(ctx context.Context, ready func(), changed func(machine.State)) error {
	ready()
	for {
		select {
		case <-ctx.Done():
			return nil
		case st := <-f.watcher:
			changed(st)
		}
	}
}

func (f *fleet) Stats(_ context.Context, _, container string) (json.RawMessage, error) {
	if container != "app" {
		return nil, fmt.Errorf("%s: %w", container, machine.ErrUnknownTask)
	}
	return json.RawMessage(`{"cpu_stats":{"online_cpus":2}}`), nil
}

// chance is none.
type chance struct{}

func (chance) IntN(int) int { return 0 }

// world is a server for containers over the real identities, the real APIs and a
// pretended machine.
type world struct {
	*Server
	t     *testing.T
	db    meta.DB
	store *identity.Store
	fleet *fleet
	place *Place
	ids   IDs
	stop  func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: testdb.New(t).Open(t), fleet: &fleet{states: map[string]machine.State{}, watcher: make(chan machine.State)}}
	box := got[*seal.Box](t)(seal.New([]byte(strings.Repeat("k", seal.KeySize)), rand.Reader))
	w.store = got[*identity.Store](t)(identity.New(t.Context(), identity.Options{
		DB: w.db, Seal: box, Managed: got[*managed.Set](t)(managed.Load()), Now: time.Now, Random: rand.Reader,
		Roots: []auth.Credential{{AccessKeyID: "AKIAROOT", SecretAccessKey: "secret", Principal: auth.Principal{ARN: auth.RootARN(home), Account: home, UserID: home}}},
	}))
	decide := got[*enforce.Authorizer](t)(enforce.New(enforce.Options{Subjects: w.store, Resources: map[string]enforce.Resources{"iam": enforce.Roles{Trusts: w.store}}}))
	roles := got[*role.Roles](t)(role.New(role.Options{Identities: w.store, Authorizer: decide, Now: time.Now}))
	w.place = Open(t.Context(), PlaceOptions{Address: netip.MustParseAddr("127.0.0.1")})
	must(t, w.place.Held())
	w.ids = NewIDs(box)
	w.Server = got[*Server](t)(New(Options{
		Place: w.place, DB: w.db, Machine: w.fleet, Roles: roles, IDs: w.ids, API: w.apis(box, decide), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	w.stop = func() { cancel(); <-ended }
	t.Cleanup(w.stop)
	return w
}

// apis are the APIs of ECS and STS.
func (w *world) apis(box *seal.Box, decide auth.Authorizer) http.Handler {
	t := w.t
	sts := got[*stsapi.Service](t)(stsapi.New(stsapi.Options{
		Store: w.store, Messages: got[*stsapi.Messages](t)(stsapi.NewMessages(box)), Tokens: got[*oidc.Verifier](t)(oidc.New(oidc.Options{Now: time.Now, Client: http.DefaultClient})),
	}))
	ecs := got[*deploy.Service](t)(deploy.New(deploy.Options{DB: w.db, Now: time.Now, Random: rand.Reader, Chance: chance{}, Wake: func() {}}))
	var all []*awsapi.Service
	for name, operations := range map[string][]awsapi.Operation{"sts": sts.Operations(), "ecs": ecs.Operations()} {
		all = append(all, got[*awsapi.Service](t)(awsapi.NewService(got[*constraints.Model](t)(constraints.Load(name)), operations)))
	}
	held := got[*throttle.Throttle](t)(throttle.New(throttle.Options{Now: time.Now, Refused: func(string) {}}))
	return got[*awsapi.Server](t)(awsapi.New(awsapi.Options{
		Services: all, Verifier: got[*sigv4.Verifier](t)(sigv4.New(w.store, time.Now)), Throttle: held.Door("test"), Authorizer: decide, Log: slog.New(slog.DiscardHandler), Rand: rand.Reader,
	}))
}

// role makes a role that tasks may have.
func (w *world) role(name string, actions ...string) string {
	w.t.Helper()
	r := got[identity.Role](w.t)(w.store.CreateRole(w.t.Context(), home, identity.NewRole{Name: name, Trust: trustsTasks}))
	if len(actions) > 0 {
		must(w.t, w.store.PutInline(w.t.Context(), home, identity.Entity{Kind: identity.KindRole, Name: name}, "may",
			`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["`+strings.Join(actions, `","`)+`"],"Resource":"*"}}`))
	}
	return r.ARN()
}

// task records a task that runs on the machine, with an address, and returns what the
// machine tells of it.
func (w *world) task(id, address string, change ...func(*machine.Task)) machine.State {
	w.t.Helper()
	arn := "arn:aws:ecs:" + region + ":" + home + ":task/default/" + id
	spec := machine.Task{
		ARN: arn, ClusterARN: "arn:aws:ecs:" + region + ":" + home + ":cluster/default", Cluster: "default", Family: "web", Revision: 3, Account: home, Region: region,
		LaunchType: "EC2", NetworkMode: "bridge", AvailabilityZone: region + "a",
		Containers: []machine.Container{{ARN: strings.Replace(arn, ":task/", ":container/", 1) + "/c", Name: "app", Image: "localhost:5000/app:1", CPU: 256, Memory: 128}},
	}
	for _, c := range change {
		c(&spec)
	}
	t := record.Task{Scope: record.Scope{Account: home, Region: region}, Cluster: "default", ID: id, Machine: "m", Family: "web", Service: spec.Service, Desired: "RUNNING", Status: "RUNNING"}
	t.Detail.Spec, t.Detail.Shown = spec, types.Task{TaskArn: &arn}
	must(w.t, w.db.Write(w.t.Context(), meta.Durable, func(q meta.Querier) error { return record.AddTask(w.t.Context(), q, t) }))
	st := machine.State{ARN: arn, Status: machine.Running, PullStarted: noon, PullStopped: noon.Add(time.Second)}
	for i, c := range spec.Containers {
		st.Containers = append(st.Containers, machine.ContainerState{
			Name: c.Name, RuntimeID: fmt.Sprintf("d0c%d", i), ImageDigest: "sha256:abc", Status: machine.Running, Created: noon.Add(2 * time.Second), Started: noon.Add(3 * time.Second),
		})
	}
	if address != "" {
		st.Containers[0].Addresses = []string{address}
	}
	w.fleet.set(st)
	return st
}

func (w *world) id(st machine.State) string {
	w.t.Helper()
	return got[string](w.t)(w.ids.Container(st.ARN, "app"))
}

// ask asks at the metadata address.
func (w *world) ask(method, path, body string) (int, string) {
	w.t.Helper()
	r := got[*http.Request](w.t)(http.NewRequestWithContext(w.t.Context(), method, w.place.MetadataURL()+path, strings.NewReader(body)))
	res := got[*http.Response](w.t)(http.DefaultClient.Do(r))
	defer res.Body.Close()
	return res.StatusCode, strings.TrimSpace(string(got[[]byte](w.t)(io.ReadAll(res.Body))))
}
