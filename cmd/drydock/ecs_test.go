package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/auth"
	"drydock/auth/sigv4"
	"drydock/auth/throttle"
	"drydock/awsapi"
	"drydock/awsapi/constraints"
	"drydock/deploy"
	"drydock/deploy/machine"
	"drydock/deploy/machine/simulated"
	"drydock/deploy/reconcile"
	"drydock/deploy/record"
	"drydock/deploy/session"
	"drydock/storage/meta/testdb"
)

// ecsLab is a server with ECS and a machine that pretends to run tasks. Those whose
// command is "exit" end by themselves, with code 3; "slow" ones do not stop when asked.
type ecsLab struct {
	t       *testing.T
	machine *pretended
	// other answers what is not ECS.
	other http.HandlerFunc
}

// capabilities are those that the tasks of these tests need.
var capabilities = map[string]string{
	"ecs.os-type": "linux", "com.amazonaws.ecs.capability.task-iam-role": "", "com.amazonaws.ecs.capability.logging-driver.awslogs": "",
	"ecs.capability.execution-role-awslogs": "", "com.amazonaws.ecs.capability.ecr-auth": "", "ecs.capability.execution-role-ecr-pull": "",
}

// pretended is a machine whose containers have written a line and repeat what they
// are told.
type pretended struct {
	*simulated.Machine
	mu    sync.Mutex
	tasks []machine.Task
}

func (m *pretended) Start(ctx context.Context, t machine.Task) error {
	m.mu.Lock()
	m.tasks = append(m.tasks, t)
	m.mu.Unlock()
	return m.Machine.Start(ctx, t)
}

func (m *pretended) started() []machine.Task {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.tasks)
}

func (m *pretended) Exec(_ context.Context, _, container string, e machine.Exec) (int, error) {
	fmt.Fprintf(e.Stdout, "%s %q\n", container, e.Command)
	if e.Stdin != nil {
		if _, err := io.Copy(e.Stderr, e.Stdin); err != nil {
			return 0, err
		}
	}
	return 42, nil
}

// Logs ends with the task, where it is followed.
func (m *pretended) Logs(ctx context.Context, arn, container string, follow bool, to io.Writer) error {
	if _, err := fmt.Fprintln(to, "hello from", container); err != nil || !follow {
		return err
	}
	for ctx.Err() == nil {
		all, err := m.Tasks(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(s machine.State) bool { return s.ARN == arn && s.Status == machine.Stopped }) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return ctx.Err()
}

type everybody struct{}

func (everybody) Authorize(context.Context, auth.Request) error { return nil }

// newECSLab starts the server, to which the environment then leads.
func newECSLab(t *testing.T) *ecsLab {
	t.Helper()
	l := &ecsLab{t: t, machine: &pretended{Machine: simulated.New(
		machine.Description{ID: "m", CPU: 4096, Memory: 4096, Attributes: capabilities}, time.Now(),
		func(task machine.Task) (f simulated.Fortune) {
			switch fmt.Sprint(task.Containers[0].Command) {
			case "[exit]":
				f.ExitAfter, f.ExitCode = 50*time.Millisecond, 3
			case "[slow]":
				f.Stop = time.Hour
			}
			return f
		},
	)}}
	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	t.Cleanup(func() { cancel(); background.Wait() })
	background.Go(func() {
		for ctx.Err() == nil {
			l.machine.Advance(time.Now())
			time.Sleep(10 * time.Millisecond)
		}
	})
	db, log := testdb.New(t).Open(t), slog.New(slog.DiscardHandler)
	looksAfter, err := reconcile.New(reconcile.Options{
		DB: db, Open: func(context.Context) (machine.Machine, error) { return l.machine, nil }, Now: time.Now, Log: log, Woken: func() {},
		Home:  reconcile.Home{Scope: record.Scope{Account: "123456789012", Region: "eu-west-1"}, Cluster: "default"},
		NewID: func() (string, error) { return strings.Repeat("0123456789abcdef", 2), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	background.Go(func() {
		if err := looksAfter.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	sessions, err := session.New(session.Options{Machine: looksAfter.Machine, Now: time.Now, Random: rand.Reader, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sessions.Close() })
	apis := l.apis(deploy.Options{
		DB: db, Now: time.Now, Random: rand.Reader, Chance: mathrand.New(mathrand.NewPCG(1, 1)), Wake: looksAfter.Wake,
		Sessions: sessions, SessionBase: func(string, string) string { return "https://elsewhere.example" },
	}, log)
	mux := http.NewServeMux()
	mux.Handle(session.Path, sessions)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("X-Amz-Target"), "EC2Container") && strings.Contains(r.Header.Get("X-Amz-Target"), "ServiceV20141113") {
			apis.ServeHTTP(w, r)
			return
		}
		l.other(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIALAB", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": "", "NO_PROXY": "*", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	l.other = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) }
	l.eventually("the machine has registered", func() bool {
		_, err := record.InstanceOf(t.Context(), db.Reader(), "m")
		return err == nil
	})
	return l
}

func (l *ecsLab) apis(o deploy.Options, log *slog.Logger) http.Handler {
	l.t.Helper()
	api, err := deploy.New(o)
	if err != nil {
		l.t.Fatal(err)
	}
	model, err := constraints.Load("ecs")
	if err != nil {
		l.t.Fatal(err)
	}
	service, err := awsapi.NewService(model, api.Operations())
	if err != nil {
		l.t.Fatal(err)
	}
	keys, err := auth.NewStaticKeys(auth.Credential{AccessKeyID: "AKIALAB", SecretAccessKey: "secret", Principal: auth.Principal{
		ARN: auth.RootARN("123456789012"), Account: "123456789012", UserID: "123456789012",
	}})
	if err != nil {
		l.t.Fatal(err)
	}
	verifier, err := sigv4.New(keys, time.Now)
	if err != nil {
		l.t.Fatal(err)
	}
	held, err := throttle.New(throttle.Options{Now: time.Now, Refused: func(string) {}})
	if err != nil {
		l.t.Fatal(err)
	}
	server, err := awsapi.New(awsapi.Options{
		Services: []*awsapi.Service{service}, Verifier: verifier, Throttle: held.Door("aws"), Authorizer: everybody{}, Log: log, Rand: rand.Reader,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return server
}

func (l *ecsLab) eventually(what string, is func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("it does not come to pass that %s", what)
		}
	}
}

// typed runs a command line and returns its exit code and what it wrote.
func (l *ecsLab) typed(args ...string) (code int, out, errOut string) {
	l.t.Helper()
	var o, e bytes.Buffer
	p := program{environ: append(os.Environ(), "DRYDOCK_DATA="+l.t.TempDir()), out: &o, err: &e}
	code = p.run(args)
	return code, o.String(), e.String()
}

const foreign = "registry.example:5000/tools/demo.x:1"

// running runs a task that goes on, and returns its ARN.
func (l *ecsLab) running(flags ...string) string {
	l.t.Helper()
	code, out, errOut := l.typed(append([]string{"run", foreign, "--detach"}, flags...)...)
	if code != 0 {
		l.t.Fatalf("exit code %d, %s", code, errOut)
	}
	arn := strings.TrimSpace(out)
	l.eventually("the task runs", func() bool {
		all, err := l.machine.Tasks(l.t.Context())
		if err != nil || len(all) == 0 || all[0].Status != machine.Running {
			return false
		}
		code, _, _ := l.typed("logs", arn)
		return code == 0
	})
	return arn
}

func TestACommandInATaskHasItsExitCode(t *testing.T) {
	l := newECSLab(t)
	arn := l.running("--enable-execute-command")
	id := arn[strings.LastIndex(arn, "/")+1:]
	l.eventually("the record says that it runs", func() bool {
		code, _, _ := l.typed("exec", id, "--", "true")
		return code == 42
	})
	code, out, errOut := l.typed("exec", arn, "--container", "demo-x", "--", "sh", "-c", "echo 'a  b'", "")
	if code != 42 || out != "demo-x [\"sh\" \"-c\" \"echo 'a  b'\" \"\"]\n" || errOut != "" {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":           {[]string{"exec", id}, "takes a task and a command"},
		"no such task":         {[]string{"exec", strings.Repeat("f", 32), "--", "ls"}, "InvalidParameterException: The referenced task was not found."},
		"no such container":    {[]string{"exec", id, "--container", "x", "--", "ls"}, "The container x was not found"},
		"no terminal":          {[]string{"exec", "-t", id, "--", "ls"}, "standard input is not a terminal"},
		"no such cluster":      {[]string{"exec", "--cluster", "x", id, "--", "ls"}, "ClusterNotFoundException: Cluster not found."},
		"logs of no task":      {[]string{"logs", strings.Repeat("f", 32)}, "there is no task ffff"},
		"logs of no container": {[]string{"logs", id, "--container", "x"}, "the task has no container x, but demo-x"},
	} {
		if code, out, errOut := l.typed(c.args...); code != 1 || out != "" || !strings.Contains(errOut, c.want) {
			t.Errorf("%s: exit code %d, %q, %q", name, code, out, errOut)
		}
	}
}

func TestWhatATaskWritesIsReadWhereItIs(t *testing.T) {
	l := newECSLab(t)
	arn := l.running()
	if code, out, errOut := l.typed("logs", arn); code != 0 || out != "hello from demo-x\n" {
		t.Errorf("exit code %d, %q, %q", code, out, errOut)
	}
	if code, _, errOut := l.typed("exec", arn, "--", "ls"); code != 1 || !strings.Contains(errOut, "execute command was not enabled") {
		t.Errorf("exit code %d, %q", code, errOut)
	}
}

func TestATaskIsRunFollowedAndEndsWithItsCode(t *testing.T) {
	l := newECSLab(t)
	code, out, errOut := l.typed("run", foreign, "--rm", "--cpu", "128", "--memory", "64", "--port", "8080:80", "--port", "53/udp", "--env", "A=b=c", "--role", "app", "--", "exit")
	if len(l.machine.started()) != 1 || code != 3 || out != "hello from demo-x\n" || !strings.HasPrefix(errOut, "drydock: running arn:aws:ecs:eu-west-1:123456789012:task/default/") {
		t.Fatalf("exit code %d, %q, %q", code, out, errOut)
	}
	task := l.machine.started()[0]
	c := task.Containers[0]
	if task.Family != "tools-demo-x" || c.Image != foreign || c.CPU != 128 || c.Memory != 64 || c.Environment["A"] != "b=c" || !strings.HasSuffix(task.RoleARN, ":role/app") || task.ExecutionRoleARN != "" {
		t.Errorf("%+v", task)
	}
	if len(c.Ports) != 2 || c.Ports[0].HostPort != 8080 || c.Ports[0].ContainerPort != 80 || c.Ports[1].HostPort != 0 || c.Ports[1].Protocol != "udp" {
		t.Errorf("%+v", c.Ports)
	}
	if code, _, errOut := l.typed("run", foreign, "--memory", "100000"); code != 1 || !strings.Contains(errOut, "RESOURCE:MEMORY") {
		t.Errorf("exit code %d, %q", code, errOut)
	}
	for _, args := range [][]string{{"run"}, {"run", "a", "b"}, {"run", "--", "a"}, {"run", foreign, "--port", "0"}, {"run", foreign, "--env", "=x"}, {"run", foreign, "--rm", "--detach"}} {
		if code, _, errOut := l.typed(args...); code != 1 || !strings.HasPrefix(errOut, "drydock: ") {
			t.Errorf("%q: exit code %d, %q", args, code, errOut)
		}
	}
	if n := len(l.machine.started()); n != 1 {
		t.Errorf("%d tasks were started", n)
	}
}
