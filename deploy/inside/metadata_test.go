package inside

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/deploy/machine"
	"drydock/storage/meta"
)

const local = "127.0.0.1"

// same compares JSON with spaces in it with JSON without, and the ids that it names.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(want)); err != nil {
		t.Fatal(err)
	}
	if got != b.String() {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, b.String())
	}
}

func TestAContainerIsToldWhatItIs(t *testing.T) {
	w := newWorld(t)
	st := w.task("0123", local, func(t *machine.Task) {
		t.Service, t.CPU, t.Memory = "shop", 512, 1024
		c := &t.Containers[0]
		c.Labels, c.Log = map[string]string{"own": "label"}, &machine.Log{Driver: "awslogs", Options: map[string]string{"awslogs-group": "g"}}
		c.Health = &machine.HealthCheck{}
		c.Mounts, t.Volumes = []machine.Mount{{Volume: "data", Path: "/data"}}, []machine.Volume{{Name: "data", HostPath: "/srv"}}
	})
	st.Containers[0].Health = machine.Healthy
	st.Containers[0].Bindings = []machine.Binding{{BindIP: "0.0.0.0", ContainerPort: 80, HostPort: 32768, Protocol: "tcp"}}
	w.fleet.set(st)
	const container = `{
		"DockerId": "d0c0", "Name": "app", "DockerName": "ecs-web-3-app-0123", "Image": "localhost:5000/app:1", "ImageID": "sha256:abc",
		"Ports": [{"ContainerPort": 80, "Protocol": "tcp", "HostPort": 32768, "HostIp": "0.0.0.0"}],
		"Labels": {"com.amazonaws.ecs.cluster": "default", "com.amazonaws.ecs.container-name": "app", "com.amazonaws.ecs.task-arn": "arn:aws:ecs:eu-west-1:1234567890:task/default/0123",
			"com.amazonaws.ecs.task-definition-family": "web", "com.amazonaws.ecs.task-definition-version": "3", "own": "label"},
		"DesiredStatus": "RUNNING", "KnownStatus": "RUNNING", "Limits": {"CPU": 256, "Memory": 128},
		"CreatedAt": "2026-11-24T12:00:02Z", "StartedAt": "2026-11-24T12:00:03Z", "Type": "NORMAL", "Health": {"status": "HEALTHY"},
		"Volumes": [{"Source": "/srv", "Destination": "/data"}],`
	const only4 = `"LogDriver": "awslogs", "LogOptions": {"awslogs-group": "g"}, "ContainerARN": "arn:aws:ecs:eu-west-1:1234567890:container/default/0123/c",`
	const networks = `"Networks": [{"NetworkMode": "bridge", "IPv4Addresses": ["127.0.0.1"]}]}`
	const task = `{"Cluster": "default", "TaskARN": "arn:aws:ecs:eu-west-1:1234567890:task/default/0123", "Family": "web", "Revision": "3", "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING",
		"Limits": {"CPU": 0.5, "Memory": 1024}, "PullStartedAt": "2026-11-24T12:00:00Z", "PullStoppedAt": "2026-11-24T12:00:01Z", "AvailabilityZone": "eu-west-1a",`
	for path, want := range map[string]string{
		"/v4/ID":            container + only4 + networks,
		"/v3/ID":            container + networks,
		"/v4/ID/task":       task + `"LaunchType": "EC2", "ServiceName": "shop", "Containers": [` + container + only4 + networks + `]}`,
		"/v3/ID/task":       task + `"Containers": [` + container + networks + `]}`,
		"/v4/ID/stats":      `{"cpu_stats": {"online_cpus": 2}}`,
		"/v4/ID/task/stats": `{"d0c0": {"cpu_stats": {"online_cpus": 2}}}`,
	} {
		status, body := w.ask(http.MethodGet, strings.Replace(path, "ID", w.id(st), 1), "")
		if status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
			continue
		}
		same(t, path, body, want)
	}
	must(t, w.db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(t.Context(), `INSERT INTO resource_tag (resource, key, value) VALUES ($1, 'team', 'a')`, st.ARN)
		return err
	}))
	if _, body := w.ask(http.MethodGet, "/v4/"+w.id(st)+"/taskWithTags", ""); !strings.Contains(body, `"TaskTags":{"team":"a"}`) {
		t.Error(body)
	}
}

func TestATaskWithAnAddressOfItsOwnIsToldIt(t *testing.T) {
	w := newWorld(t)
	st := w.task("0123", "", func(t *machine.Task) { t.NetworkMode, t.LaunchType = "awsvpc", "FARGATE" })
	st.Address, st.MAC, st.SubnetGateway = local, "02:42:ac:12:00:02", "172.18.0.1"
	w.fleet.set(st)
	_, body := w.ask(http.MethodGet, "/v4/"+w.id(st)+"/task", "")
	for _, want := range []string{
		`"Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["127.0.0.1"],"AttachmentIndex":0,"MACAddress":"02:42:ac:12:00:02","SubnetGatewayIpv4Address":"172.18.0.1"}]`,
		`"LaunchType":"FARGATE"`, `"Cluster":"arn:aws:ecs:eu-west-1:1234567890:cluster/default"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
}

// from asks a handler as somebody at an address.
func from(t *testing.T, h http.Handler, address, method, path string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	r.RemoteAddr = address + ":4711"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestOnlyTheTaskItselfIsTold(t *testing.T) {
	w := newWorld(t)
	st := w.task("0123", "172.17.0.2")
	other := w.task("4567", "172.17.0.3")
	onHost := w.task("89ab", "", func(t *machine.Task) { t.NetworkMode = "host" })
	stopped := w.task("cdef", "172.17.0.4")
	stopped.Status = machine.Stopped
	w.fleet.set(stopped)
	h := w.Metadata()
	for name, c := range map[string]struct {
		id, from string
		want     int
	}{
		"itself": {w.id(st), "172.17.0.2", 200}, "its neighbour": {w.id(st), "172.17.0.3", 404}, "the neighbour itself": {w.id(other), "172.17.0.3", 200},
		"on the machine's network": {w.id(onHost), local, 200}, "a container asks for one on the machine's network": {w.id(onHost), "172.17.0.2", 404},
		"one that has stopped": {w.id(stopped), "172.17.0.4", 404}, "no id of any": {"00000000-0000-0000-0000-000000000000", "172.17.0.2", 404},
	} {
		if status, body := from(t, h, c.from, http.MethodGet, "/v4/"+c.id); status != c.want {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func TestAContainerMayAskBeforeItsAddressIsKnown(t *testing.T) {
	w := newWorld(t)
	st := w.task("0123", "")
	known := st
	known.Containers = slices.Clone(st.Containers)
	known.Containers[0].Addresses = []string{"172.17.0.2"}
	go func() {
		time.Sleep(4 * glance)
		w.fleet.set(known)
	}()
	if status, body := from(t, w.Metadata(), "172.17.0.2", http.MethodGet, "/v4/"+w.id(st)); status != 200 || !strings.Contains(body, "172.17.0.2") {
		t.Errorf("%d %s", status, body)
	}
}

func TestTheAPIsAreForTheTasksOfThisMachine(t *testing.T) {
	w := newWorld(t)
	w.task("0123", "172.17.0.2")
	for address, want := range map[string]bool{"172.17.0.2": true, local: true, "172.17.0.9": false, "203.0.113.9": false} {
		status, body := from(t, w.API(), address, http.MethodPost, "/")
		if (status != http.StatusForbidden) != want {
			t.Errorf("%s: %d %s", address, status, body)
		}
	}
}
