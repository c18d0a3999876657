package ecs

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drydock/e2e/harness"
)

// lab is a server with an Engine that has a network, and one who types commands.
type lab struct {
	t      *testing.T
	server *harness.Server
	sh     harness.Runner
	aws    string
}

// newLab starts both. The Engine goes with the test.
func newLab(t *testing.T) *lab {
	t.Helper()
	harness.EndToEnd(t)
	engine := startEngine(t)
	aws, err := harness.Script(t, "ensure-aws")
	if err != nil {
		harness.Unavailable(t, "%v", err)
	}
	s := harness.Start(t, harness.Options{Args: []string{"--engine", engine}})
	l := &lab{t: t, server: s, aws: aws}
	l.sh = harness.Docker(t, s.AWSEnv()).With("DOCKER_HOST=" + engine)
	return l
}

// startEngine starts an Engine that has a network, which goes with the test, and
// returns its address.
func startEngine(t *testing.T) string {
	t.Helper()
	// Short, whatever the test is called: a socket's path may not be long.
	dir, err := os.MkdirTemp("", "drydock-ecs")
	if err != nil {
		t.Fatal(err)
	}
	start := exec.Command(filepath.Join(harness.Root(t), "scripts", "ensure-docker"), dir)
	start.Env = append(os.Environ(), fmt.Sprintf("DRYDOCK_ENGINE_BRIDGE=dd-e2e-%d", os.Getpid()))
	start.Stderr = os.Stderr
	if _, err := start.Output(); err != nil {
		harness.Unavailable(t, "an Engine with a network: %v", err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(filepath.Join(harness.Root(t), "scripts", "ensure-docker"), "--stop", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return "unix://" + dir + "/docker.sock"
}

// do runs a line of a shell and returns what it prints.
func (l *lab) do(format string, args ...any) string {
	l.t.Helper()
	return strings.TrimSpace(l.sh.Shell(l.t, l.aws+fmt.Sprintf(format, args...)))
}

// push makes an image of the program and pushes it to a repository that is made.
func (l *lab) push(repository, tag string) string {
	l.t.Helper()
	dir := l.t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "probe"), "./deploy/docker/testdata/probe")
	build.Dir, build.Env = harness.Root(l.t), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
	file := "FROM scratch\nCOPY probe /probe\nENV VERSION=" + tag + "\nENTRYPOINT [\"/probe\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(file), 0o644); err != nil {
		l.t.Fatal(err)
	}
	image := l.server.Host() + "/" + repository + ":" + tag
	l.do("docker build -q -t %s %s", image, dir)
	l.do("docker push -q %s", image)
	l.do("docker image rm %s", image)
	return image
}

// role makes a role that tasks take on, with a policy.
func (l *lab) role(name, policy string) string {
	l.t.Helper()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	arn := l.do("aws iam create-role --role-name %s --assume-role-policy-document '%s' --query Role.Arn --output text", name, trust)
	if policy != "" {
		l.do("aws iam attach-role-policy --role-name %s --policy-arn %s", name, policy)
	}
	return arn
}

const executionPolicy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"

// eventually waits until is holds.
func (l *lab) eventually(what string, is func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("it does not come to pass that %s\n%s", what, l.server.Log())
		}
	}
}

func get(url string) string {
	c := http.Client{Timeout: 5 * time.Second}
	a, err := c.Get(url)
	if err != nil {
		return ""
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		return ""
	}
	return string(b)
}

type task struct {
	TaskArn, LastStatus, StoppedReason, StopCode string
	Containers                                   []struct {
		ExitCode        *int
		ImageDigest     string
		NetworkBindings []struct{ HostPort int }
	}
}

func (l *lab) task(arn string) (v task) {
	l.t.Helper()
	out := l.do("aws ecs describe-tasks --tasks %s --query 'tasks[0]'", arn)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
	return v
}

func TestATaskOfThePushedImageRunsAsItsRole(t *testing.T) {
	l := newLab(t)
	l.do("aws ecr create-repository --repository-name web")
	l.do("aws ecr get-login-password | docker login --username AWS --password-stdin %s", l.server.Host())
	image := l.push("web", "1")
	role := l.role("ecsTaskExecutionRole", "")
	l.eventually("the machine has registered", func() bool {
		return l.do("aws ecs list-container-instances --query 'containerInstanceArns' --output text") != ""
	})
	l.do(`aws ecs register-task-definition --family web --execution-role-arn %s --container-definitions '[{"name":"app","image":"%s","memory":64,"command":["serve","8080","wait"],"portMappings":[{"containerPort":8080}]}]'`, role, image)

	// Without a policy the role may pull nothing, and the reason says what IAM says.
	refused := l.do("aws ecs run-task --task-definition web --query 'tasks[0].taskArn' --output text")
	l.do("aws ecs wait tasks-stopped --tasks %s", refused)
	if v := l.task(refused); !strings.Contains(v.StoppedReason, "CannotPullContainerError") || !strings.Contains(v.StoppedReason, "is not authorized to perform: ecr:") {
		t.Errorf("%+v", v)
	}

	l.do("aws iam attach-role-policy --role-name ecsTaskExecutionRole --policy-arn %s", executionPolicy)
	arn := l.do("aws ecs run-task --task-definition web --query 'tasks[0].taskArn' --output text")
	l.do("aws ecs wait tasks-running --tasks %s", arn)
	v := l.task(arn)
	if len(v.Containers) != 1 || len(v.Containers[0].NetworkBindings) != 1 || v.Containers[0].ImageDigest == "" {
		t.Fatalf("%+v", v)
	}
	l.eventually("the task answers", func() bool {
		return strings.HasPrefix(get(fmt.Sprintf("http://127.0.0.1:%d/", v.Containers[0].NetworkBindings[0].HostPort)), "hello from")
	})

	// The server dies, and the task does not; nor is it lost.
	l.server.Kill()
	if err := l.server.Start(); err != nil {
		t.Fatal(err)
	}
	l.eventually("the machine is back", func() bool {
		return l.do("aws ecs list-container-instances --filter 'agentConnected == true' --query 'containerInstanceArns' --output text") != ""
	})
	if got := l.task(arn); got.LastStatus != "RUNNING" {
		t.Errorf("%+v", got)
	}
	l.do("aws ecs stop-task --task %s --reason enough", arn)
	l.do("aws ecs wait tasks-stopped --tasks %s", arn)
	if v = l.task(arn); v.StoppedReason != "enough" || v.StopCode != "UserInitiated" || *v.Containers[0].ExitCode != 0 {
		t.Errorf("%+v", v)
	}
}

func TestWhatAContainerWritesAndFindsInside(t *testing.T) {
	l := newLab(t)
	l.do("aws ecr create-repository --repository-name web")
	l.do("aws ecr get-login-password | docker login --username AWS --password-stdin %s", l.server.Host())
	image := l.push("web", "1")
	execution, worker := l.role("ecsTaskExecutionRole", executionPolicy), l.role("worker", "")
	l.do("aws logs create-log-group --log-group-name /ecs/web")
	l.eventually("the machine has registered", func() bool {
		return l.do("aws ecs list-container-instances --query 'containerInstanceArns' --output text") != ""
	})
	l.do(`aws ecs register-task-definition --family web --execution-role-arn %s --task-role-arn %s --container-definitions '[{"name":"app","image":"%s","memory":64,
		"command":["say","it begins","get","http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI","get","$ECS_CONTAINER_METADATA_URI_V4/task","exit","0"],
		"logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"/ecs/web","awslogs-region":"%s","awslogs-stream-prefix":"run"}}}]'`, execution, worker, image, l.server.Region)
	arn := l.do("aws ecs run-task --task-definition web --query 'tasks[0].taskArn' --output text")
	l.do("aws ecs wait tasks-stopped --tasks %s", arn)
	if v := l.task(arn); v.StopCode != "EssentialContainerExited" || v.Containers[0].ExitCode == nil || *v.Containers[0].ExitCode != 0 {
		t.Fatalf("%+v\n%s", v, l.server.Log())
	}
	stream := "run/app/" + arn[strings.LastIndex(arn, "/")+1:]
	var written string
	l.eventually("the log is there", func() bool {
		written = l.do("aws logs get-log-events --log-group-name /ecs/web --log-stream-name %s --start-from-head --query 'events[].message' --output text", stream)
		return strings.Contains(written, `"TaskARN"`)
	})
	for _, want := range []string{"it begins", `"RoleArn":"` + worker + `"`, arn, `"Family":"web"`} {
		if !strings.Contains(strings.ReplaceAll(written, `": "`, `":"`), want) {
			t.Errorf("the container wrote %s, without %s", written, want)
		}
	}
	if got := l.do("aws logs filter-log-events --log-group-name /ecs/web --filter-pattern begins --query 'events[].message' --output text"); got != "it begins" {
		t.Errorf("%q", got)
	}
}
