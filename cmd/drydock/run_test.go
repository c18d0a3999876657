package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/machine"
	"drydock/internal/config"
)

// neighbours are the other APIs of a server: what they were asked for, and a role
// that is there or not, or about which nobody may ask.
type neighbours struct {
	mu     sync.Mutex
	asked  []string
	role   bool
	denied bool
	// pages are those of a log stream, by token.
	pages map[string]string
}

func (n *neighbours) did(what string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Contains(" "+strings.Join(n.asked, " ")+" ", " "+what+" ")
}

func (n *neighbours) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if action == "" {
		action = r.FormValue("Action")
	}
	n.asked = append(n.asked, action)
	fail := func(code string) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>`, code)
	}
	const role = `<Role><Path>/</Path><RoleName>ecsTaskExecutionRole</RoleName><RoleId>AROA</RoleId><Arn>arn:aws:iam::123456789012:role/ecsTaskExecutionRole</Arn><CreateDate>2026-11-24T00:00:00Z</CreateDate></Role>`
	switch action {
	case "DescribeRepositories":
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprint(w, `{"repositories":[{"repositoryName":"team/demo","repositoryUri":"lab.example:5000/team/demo"}]}`)
	case "GetRole":
		switch {
		case n.denied:
			fail("AccessDenied")
		case !n.role:
			fail("NoSuchEntity")
		default:
			fmt.Fprintf(w, `<GetRoleResponse><GetRoleResult>%s</GetRoleResult></GetRoleResponse>`, role)
		}
	case "CreateRole":
		n.role = true
		fmt.Fprintf(w, `<CreateRoleResponse><CreateRoleResult>%s</CreateRoleResult></CreateRoleResponse>`, role)
	case "AttachRolePolicy":
		n.asked = append(n.asked, r.FormValue("PolicyArn"))
		fmt.Fprint(w, `<AttachRolePolicyResponse></AttachRolePolicyResponse>`)
	case "CreateLogGroup":
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"ResourceAlreadyExistsException","message":"it is there"}`)
	case "GetLogEvents":
		var in struct{ LogGroupName, LogStreamName, NextToken string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			fail("Invalid")
			return
		}
		n.asked = append(n.asked, in.LogGroupName, in.LogStreamName)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprint(w, n.pages[in.NextToken])
	default:
		fail("InvalidAction")
	}
}

func TestAnImageOfTheRegistryIsPulledAsTheUsualRole(t *testing.T) {
	l := newECSLab(t)
	n := &neighbours{}
	l.other = n.ServeHTTP
	for i, c := range []struct {
		image string
		made  bool
	}{{"team/demo", true}, {"team/demo:latest", false}, {"lab.example:5000/team/demo:latest", false}} {
		n.asked = nil
		if code, _, errOut := l.typed("run", c.image, "--", "exit"); code != 3 {
			t.Fatalf("%s: exit code %d, %s", c.image, code, errOut)
		}
		task := l.machine.started()[i]
		if task.Containers[0].Image != "lab.example:5000/team/demo:latest" || task.ExecutionRoleARN != "arn:aws:iam::123456789012:role/ecsTaskExecutionRole" || task.Family != "team-demo" {
			t.Errorf("%s: %+v", c.image, task)
		}
		if n.did("CreateRole") != c.made || n.did(usualPolicy) != c.made {
			t.Errorf("%s: asked for %s", c.image, n.asked)
		}
	}
	n.denied = true
	if code, _, errOut := l.typed("run", "team/demo"); code != 1 || !strings.Contains(errOut, "with --execution-role, or have somebody who may make ecsTaskExecutionRole") || !strings.Contains(errOut, "AccessDenied") {
		t.Errorf("exit code %d, %s", code, errOut)
	}
	if code, _, errOut := l.typed("run", "team/demo", "--execution-role", "own", "--", "exit"); code != 3 {
		t.Errorf("exit code %d, %s", code, errOut)
	}
}

func TestALogGroupIsReadToTheEndOfItsTask(t *testing.T) {
	l := newECSLab(t)
	n := &neighbours{role: true, pages: map[string]string{
		"":    `{"events":[{"message":"one"},{"message":"two\n"}],"nextForwardToken":"f/1"}`,
		"f/1": `{"events":[{"message":"three"}],"nextForwardToken":"f/2"}`,
		"f/2": `{"events":[],"nextForwardToken":"f/2"}`,
	}}
	l.other = n.ServeHTTP
	code, out, errOut := l.typed("run", foreign, "--log-group", "lab", "--", "exit")
	if code != 3 || out != "one\ntwo\nthree\n" {
		t.Errorf("exit code %d, %q, %s", code, out, errOut)
	}
	task := l.machine.started()[0]
	stream := "run/demo-x/" + task.ARN[strings.LastIndex(task.ARN, "/")+1:]
	if !n.did("CreateLogGroup") || !n.did("lab") || !n.did(stream) || task.ExecutionRoleARN == "" {
		t.Errorf("asked for %s", n.asked)
	}
	if code, out, errOut := l.typed("logs", task.ARN); code != 0 || out != "one\ntwo\nthree\n" {
		t.Errorf("exit code %d, %q, %s", code, out, errOut)
	}
}

func TestCtrlCStopsATaskAndTheSecondOneLeavesIt(t *testing.T) {
	for name, c := range map[string]struct {
		interrupts int
		slow       bool
		want       int
	}{
		"once": {1, false, 137}, "twice": {2, true, interrupted},
	} {
		t.Run(name, func(t *testing.T) {
			l := newECSLab(t)
			p := program{environ: os.Environ()}
			settings, err := p.settingsOf(t.Context(), view{Config: config.Config{Region: "eu-west-1"}}, "", "AWS_ENDPOINT_URL_ECS")
			if err != nil {
				t.Fatal(err)
			}
			server, err := newECS(t.Context(), settings)
			if err != nil {
				t.Fatal(err)
			}
			interrupts := make(chan os.Signal, 2)
			var out, errOut bytes.Buffer
			o := launching{image: foreign, cluster: "default", memory: 64, remove: true}
			if c.slow {
				o.command = []string{"slow"}
			}
			go func() {
				for t.Context().Err() == nil {
					if all, err := l.machine.Tasks(t.Context()); err == nil && len(all) == 1 && all[0].Status == machine.Running {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				for range c.interrupts {
					interrupts <- syscall.SIGINT
				}
			}()
			code, err := launcher{server, &out, &errOut, interrupts}.launch(t.Context(), o)
			if err != nil || code != c.want {
				t.Errorf("exit code %d, %v, %s", code, err, errOut.String())
			}
			task := l.machine.started()[0].ARN
			described, err := server.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Tasks: []string{task}})
			if err != nil || *described.Tasks[0].DesiredStatus != "STOPPED" || *described.Tasks[0].StoppedReason != "Stopped by drydock run" {
				t.Errorf("%+v, %v", described, err)
			}
			definition, err := server.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: described.Tasks[0].TaskDefinitionArn})
			if err != nil || definition.TaskDefinition.Status != types.TaskDefinitionStatusInactive {
				t.Errorf("the task definition stays: %+v, %v", definition, err)
			}
		})
	}
}
