package ecs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/e2e/harness"
)

// client is an SDK client of the lab's server, for where the CLI is too slow.
func (l *lab) client() *ecs.Client {
	return ecs.New(ecs.Options{
		Region: l.server.Region, BaseEndpoint: aws.String(l.server.URL()),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: harness.RootKey, SecretAccessKey: harness.RootSecret}, nil
		}),
	})
}

// containers are those of tasks that run, by task ARN and name, and how many there
// are of each.
func (l *lab) containers() map[string]int {
	l.t.Helper()
	found := map[string]int{}
	for line := range strings.Lines(l.do(`docker ps --filter label=com.amazonaws.ecs.task-arn --format '{{.Label "com.amazonaws.ecs.task-arn"}} {{.Label "com.amazonaws.ecs.container-name"}}'`)) {
		if line = strings.TrimSpace(line); line != "" {
			found[line]++
		}
	}
	return found
}

// number is a number from the environment, to make a failed run again.
func number(t *testing.T, key string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(key)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return n
}

func TestARollingUpdateEndsAsAskedHoweverOftenTheServerIsKilledAmidIt(t *testing.T) {
	kills := 12
	if os.Getenv("DRYDOCK_LONG") != "" {
		kills = 30
	}
	seed := number(t, "DRYDOCK_CRASH_SEED", uint64(time.Now().UnixNano()))
	t.Logf("DRYDOCK_CRASH_SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	l := newLab(t)
	ctx, client := t.Context(), l.client()
	l.do("aws ecr create-repository --repository-name web")
	l.do("aws ecr get-login-password | docker login --username AWS --password-stdin %s", l.server.Host())
	role := l.role("ecsTaskExecutionRole", executionPolicy)
	image := l.push("web", "1")
	var revisions []string
	for _, colour := range []string{"blue", "green"} {
		out, err := client.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
			Family: aws.String("web"), ExecutionRoleArn: &role, ContainerDefinitions: []types.ContainerDefinition{{
				Name: aws.String("app"), Image: &image, Memory: aws.Int32(16), Command: []string{"serve", "8080", "wait"}, StopTimeout: aws.Int32(2),
				// Without one a task counts as healthy after 40 s only.
				HealthCheck: &types.HealthCheck{Command: []string{"CMD", "/probe", "get", "http://127.0.0.1:8080/", "exit", "0"}, Interval: aws.Int32(5)},
				Environment: []types.KeyValuePair{{Name: aws.String("COLOUR"), Value: &colour}}, PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(8080)}},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		revisions = append(revisions, *out.TaskDefinition.TaskDefinitionArn)
	}
	l.eventually("the machine has registered", func() bool {
		list, err := client.ListContainerInstances(ctx, &ecs.ListContainerInstancesInput{})
		return err == nil && len(list.ContainerInstanceArns) == 1
	})
	if _, err := client.CreateService(ctx, &ecs.CreateServiceInput{ServiceName: aws.String("web"), TaskDefinition: &revisions[0], DesiredCount: aws.Int32(3)}); err != nil {
		t.Fatal(err)
	}
	last := revisions[0]
	for k := range kills {
		// Every other kill is amid an update that was just asked for; the others meet
		// what the one before has left.
		if k%2 == 0 {
			last = revisions[(k/2+1)%2]
			if _, err := client.UpdateService(ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: &last, DesiredCount: aws.Int32(int32(2 + rnd.IntN(3)))}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Duration(rnd.IntN(2500)) * time.Millisecond)
		l.server.Kill()
		for name, n := range l.containers() {
			if n > 1 {
				t.Errorf("after kill %d there are %d containers of %s", k+1, n, name)
			}
		}
		if err := l.server.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.UpdateService(ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(3)}); err != nil {
		t.Fatal(err)
	}
	var tasks []types.Task
	l.eventually("three tasks of the last revision run, and nothing else", func() bool {
		tasks = l.tasksOf(client, "web")
		if len(tasks) != 3 {
			return false
		}
		for _, v := range tasks {
			if *v.LastStatus != "RUNNING" || *v.TaskDefinitionArn != last {
				return false
			}
		}
		return len(l.containers()) == 3
	})
	there := l.containers()
	for _, v := range tasks {
		if there[*v.TaskArn+" app"] != 1 {
			t.Errorf("%s runs in %d containers", *v.TaskArn, there[*v.TaskArn+" app"])
		}
		if got := l.colour(int(*v.Containers[0].NetworkBindings[0].HostPort)); !strings.Contains(got, colourOf(last, revisions)) {
			t.Errorf("%s answers %q", *v.TaskArn, got)
		}
	}
	l.eventually("the last deployment is complete and the only one", func() bool {
		out, err := client.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{"web"}})
		if err != nil || len(out.Services) != 1 {
			return false
		}
		d := out.Services[0].Deployments
		return len(d) == 1 && d[0].RolloutState == types.DeploymentRolloutStateCompleted
	})
	t.Logf("%d kills; %d containers", kills, len(there))
	l.do("aws ecs delete-service --service web --force")
	l.eventually("nothing runs", func() bool { return len(l.containers()) == 0 })
}

func colourOf(revision string, revisions []string) string {
	if revision == revisions[0] {
		return "blue"
	}
	return "green"
}

// tasksOf are the tasks of a service that are to run.
func (l *lab) tasksOf(client *ecs.Client, service string) []types.Task {
	l.t.Helper()
	list, err := client.ListTasks(l.t.Context(), &ecs.ListTasksInput{ServiceName: &service})
	if err != nil || len(list.TaskArns) == 0 {
		return nil
	}
	out, err := client.DescribeTasks(l.t.Context(), &ecs.DescribeTasksInput{Tasks: list.TaskArns})
	if err != nil {
		l.t.Fatal(fmt.Errorf("describe the tasks of %s: %w", service, err))
	}
	return out.Tasks
}
