//go:build linux

package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// What is measured of tasks.
const (
	launches = 12  // of one task, in each round
	many     = 100 // tasks on one machine
	atOnce   = 10  // of them in one request
	asked    = 1.2 // times docker run
)

// taskLab is drydock with a machine of its own, and its clients.
type taskLab struct {
	engine *engine
	server *server
	ecs    *ecs.Client
	image  string
}

// onTasks compares RunTask with docker run of the same image, fills a machine, and
// looks at a scheduler that has nothing to do.
func onTasks(ctx context.Context, o options, _ *largeBlob) error {
	dir := filepath.Join(o.dir, "tasks")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	fmt.Println()
	if o.wants("tasks") {
		l, err := openTaskLab(ctx, o, dir)
		if err != nil {
			return err
		}
		err = errors.Join(l.one(ctx, o.rounds), l.hundred(ctx))
		l.close()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, l.server.log)
		}
	}
	if !o.wants("services") {
		return nil
	}
	return simulations(ctx)
}

func openTaskLab(ctx context.Context, o options, dir string) (_ *taskLab, err error) {
	l := &taskLab{server: newDrydock(o, place{dir: dir}, 1)}
	if l.engine, err = startEngine(ctx, filepath.Join(dir, "engine")); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	commands := l.server.commands
	l.server.commands = func() []*exec.Cmd {
		cmds := commands()
		cmds[0].Args[len(cmds[0].Args)-1] = l.engine.host // in place of none
		return cmds
	}
	if _, err = l.server.start(ctx); err != nil {
		return nil, err
	}
	return l, l.furnish(ctx)
}

func (l *taskLab) close() {
	l.server.stop()
	l.engine.stop()
}

func credentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, nil
}

// furnish pushes the image, and makes a role to pull it with and the task definition.
func (l *taskLab) furnish(ctx context.Context) error {
	url, as := aws.String("http://"+l.server.plain[0]), aws.CredentialsProviderFunc(credentials)
	const region = "us-east-1"
	l.ecs = ecs.New(ecs.Options{Region: region, BaseEndpoint: url, Credentials: as})
	registry := ecr.New(ecr.Options{Region: region, BaseEndpoint: url, Credentials: as})
	made, err := registry.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String("bench")})
	if err != nil {
		return err
	}
	l.image = *made.Repository.RepositoryUri + ":1"
	if err := l.engine.build(ctx, l.image); err != nil {
		return err
	}
	token, err := registry.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return err
	}
	pair, err := base64.StdEncoding.DecodeString(*token.AuthorizationData[0].AuthorizationToken)
	if err != nil {
		return err
	}
	_, password, _ := strings.Cut(string(pair), ":")
	host, _, _ := strings.Cut(l.image, "/")
	if _, err := l.engine.docker(ctx, password, "login", "--username", "AWS", "--password-stdin", host); err != nil {
		return err
	}
	if _, err := l.engine.docker(ctx, "", "push", "-q", l.image); err != nil {
		return err
	}
	identities := iam.New(iam.Options{Region: region, BaseEndpoint: url, Credentials: as})
	role, err := identities.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("puller"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil {
		return err
	}
	if _, err := identities.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("puller"),
		PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy")}); err != nil {
		return err
	}
	_, err = l.ecs.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{Family: aws.String("bench"), ExecutionRoleArn: role.Role.Arn,
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("app"), Image: &l.image, Memory: aws.Int32(16)}}})
	if err != nil {
		return err
	}
	return l.until(ctx, time.Minute, "the machine has registered", func() (bool, error) {
		list, err := l.ecs.ListContainerInstances(ctx, &ecs.ListContainerInstancesInput{})
		var early *types.ClusterNotFoundException
		if errors.As(err, &early) {
			return false, nil
		}
		return err == nil && len(list.ContainerInstanceArns) > 0, err
	})
}

func (l *taskLab) until(ctx context.Context, limit time.Duration, what string, is func() (bool, error)) error {
	for end := time.Now().Add(limit); ; {
		done, err := is()
		if done || err != nil {
			return err
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("it does not come to pass that %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// one compares RunTask, until the task is seen to run, with docker run of its image.
// They alternate.
func (l *taskLab) one(ctx context.Context, rounds int) error {
	var task, docker []time.Duration
	for range launches*rounds + 1 { // the first warms both up
		began := time.Now()
		arns, err := l.run(ctx, 1)
		if err == nil {
			err = l.all(ctx, arns, "RUNNING")
		}
		if err != nil {
			return err
		}
		task = append(task, time.Since(began))
		if err := l.stopTasks(ctx, arns); err != nil {
			return err
		}
		began = time.Now()
		id, err := l.dockerRun(ctx)
		if err != nil {
			return err
		}
		docker = append(docker, time.Since(began))
		if _, err := l.engine.docker(ctx, "", "rm", "-f", id); err != nil {
			return err
		}
	}
	t, d := middle(task[1:]), middle(docker[1:])
	fmt.Printf("%-46s %9s %9s %7s %8s\n", "tasks", "docker", "drydock", "ratio", "asked")
	fmt.Printf("%-46s %9s %9s %6.2fx %7.1fx\n", "RunTask until RUNNING, docker run -d", milli(d), milli(t), float64(t)/float64(d), asked)
	return nil
}

// dockerRun is what one would type instead, with the same limit.
func (l *taskLab) dockerRun(ctx context.Context) (string, error) {
	return l.engine.docker(ctx, "", "run", "-d", "--memory", "16m", l.image)
}

func (l *taskLab) run(ctx context.Context, n int32) ([]string, error) {
	out, err := l.ecs.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: aws.String("bench"), Count: &n})
	if err != nil {
		return nil, err
	}
	if len(out.Failures) > 0 {
		return nil, fmt.Errorf("a task was not placed: %s", aws.ToString(out.Failures[0].Reason))
	}
	var arns []string
	for _, t := range out.Tasks {
		arns = append(arns, *t.TaskArn)
	}
	return arns, nil
}

// all waits until all tasks have a status.
func (l *taskLab) all(ctx context.Context, arns []string, status string) error {
	return l.until(ctx, 5*time.Minute, "all tasks are "+status, func() (bool, error) {
		out, err := l.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: arns})
		if err != nil {
			return false, err
		}
		for _, t := range out.Tasks {
			if now := *t.LastStatus; now != status {
				if now == "STOPPED" {
					return false, fmt.Errorf("a task has stopped: %s", aws.ToString(t.StoppedReason))
				}
				return false, nil
			}
		}
		return true, nil
	})
}

func (l *taskLab) stopTasks(ctx context.Context, arns []string) error {
	for _, a := range arns {
		if _, err := l.ecs.StopTask(ctx, &ecs.StopTaskInput{Task: &a}); err != nil {
			return err
		}
	}
	return l.all(ctx, arns, "STOPPED")
}

// hundred fills the machine, and clears it.
func (l *taskLab) hundred(ctx context.Context) error {
	began := time.Now()
	ids := make([]string, many)
	errs := make([]error, atOnce)
	var wg sync.WaitGroup
	for w := range atOnce {
		wg.Go(func() {
			for i := w; i < many && errs[w] == nil; i += atOnce {
				ids[i], errs[w] = l.dockerRun(ctx)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	docker := time.Since(began)
	if _, err := l.engine.docker(ctx, "", append([]string{"rm", "-f"}, ids...)...); err != nil {
		return err
	}
	began = time.Now()
	var arns []string
	for range many / atOnce {
		some, err := l.run(ctx, atOnce)
		if err != nil {
			return err
		}
		arns = append(arns, some...)
	}
	if err := l.all(ctx, arns, "RUNNING"); err != nil {
		return err
	}
	tasks := time.Since(began)
	fmt.Printf("%-46s %9s %9s %6.2fx %8s\n", fmt.Sprintf("%d of them, %d at once", many, atOnce), milli(docker), milli(tasks), float64(tasks)/float64(docker), "-")
	before, err := l.server.cpu()
	if err != nil {
		return err
	}
	const while = 10 * time.Second
	time.Sleep(while)
	after, err := l.server.cpu()
	if err != nil {
		return err
	}
	began = time.Now()
	if err := l.stopTasks(ctx, arns); err != nil {
		return err
	}
	peak, err := l.server.peak()
	if err != nil {
		return err
	}
	fmt.Printf("they are stopped in %s; while they ran drydock used %.1f%% of a core; its peak memory is %.1f MiB\n",
		milli(time.Since(began)), 100*float64(after-before)/float64(while), float64(peak)/(1<<20))
	return nil
}

// simulations are Go benchmarks, for they need a fleet that is not there.
func simulations(ctx context.Context) error {
	fmt.Println("\n1,000 services on a simulated machine, asked: under 2 % of a core when idle;\n5,000 simulated instances, asked: a placement decision under 5 ms")
	for _, b := range [][2]string{{"BenchmarkIdle$", "./deploy/reconcile/services"}, {"BenchmarkFiveThousandInstances", "./deploy/placement"}} {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", b[0], "-benchtime", "1x", b[1])
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", b[1], err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "Benchmark") {
				fmt.Print(line)
			}
		}
	}
	return nil
}

func middle(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

func milli(d time.Duration) string { return d.Round(time.Millisecond).String() }
