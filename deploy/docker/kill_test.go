package docker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"drydock/deploy/machine"
)

// childFolder and childOwner name to a process of the next test what it works for.
const childFolder, childOwner = "DRYDOCK_TEST_CHILD_FOLDER", "DRYDOCK_TEST_CHILD_OWNER"

// killedTasks are the tasks of that test: of one container, of two that wait for each
// other, of one with an address of its own. Each process that runs the test has the same.
func killedTasks(l *lab) (list []machine.Task) {
	l.n = 0
	for i := range 6 {
		first, app := machine.Container{Name: "first", Command: []string{"sleep", "100ms", "exit", "0"}}, essential("app", "wait")
		app.DependsOn = []machine.Dependency{{Container: "first", Condition: "SUCCESS"}}
		app.StopTimeout = time.Second
		t := l.task(app, first)
		if i%3 == 2 {
			t.NetworkMode = "awsvpc"
		}
		list = append(list, t)
	}
	return list
}

// TestChildThatIsKilled is no test but the process that the next one kills: it starts
// tasks, ends some, and waits.
func TestChildThatIsKilled(t *testing.T) {
	folder := os.Getenv(childFolder)
	if folder == "" {
		t.Skip("it is run by another test")
	}
	l := &lab{t: t, host: os.Getenv("DRYDOCK_TEST_ENGINE"), keeper: keeper{}, folder: folder, owner: os.Getenv(childOwner)}
	l.open()
	for i, task := range killedTasks(l) {
		l.start(task)
		if i < 2 {
			go func() {
				time.Sleep(500 * time.Millisecond)
				_ = l.machine.Stop(t.Context(), task.ARN, machine.UserInitiated, "enough")
			}()
		}
	}
	select {}
}

func TestNothingIsMadeTwiceHoweverOftenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.machine.Close()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		child := exec.Command(os.Args[0], "-test.run", "^TestChildThatIsKilled$", "-test.v")
		child.Env = append(os.Environ(), childFolder+"="+l.folder, childOwner+"="+l.owner)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(50+r.IntN(900)) * time.Millisecond)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
	}
	l.open()
	tasks := killedTasks(l)
	for i, task := range tasks {
		l.start(task)
		if i < 2 {
			if err := l.machine.Stop(t.Context(), task.ARN, machine.UserInitiated, "enough"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, task := range tasks {
		want, most := machine.Running, 2
		if i < 2 {
			want = machine.Stopped
		}
		s := l.becomes(task.ARN, want)
		if task.NetworkMode == "awsvpc" {
			most++
		}
		seen := map[string]bool{}
		all, err := l.machine.own(t.Context(), task.ARN)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if seen[c.Labels[labelContainer]] {
				t.Errorf("container %s was made twice", c.Labels[labelContainer])
			}
			seen[c.Labels[labelContainer]] = true
		}
		if want == machine.Running && len(all) != most {
			t.Errorf("%d containers, not %d", len(all), most)
		}
		if want == machine.Stopped {
			l.rests(task.ARN)
			if s.Reason != "enough" || s.StoppedAt.IsZero() || s.ExecutionStopped.After(s.StoppedAt) {
				t.Errorf("%+v", s)
			}
		}
	}
}

func TestContainersOfOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	other, err := l.engine.ContainerCreate(t.Context(), &container.Config{Image: probe, Cmd: []string{"wait"}, Labels: map[string]string{labelOwner: "another", labelTask: "its"}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	task := l.task(essential("app", "wait"))
	squatter, err := l.engine.ContainerCreate(t.Context(), &container.Config{Image: probe, Cmd: []string{"wait"}}, nil, nil, nil, containerName(&task, "app"))
	if err != nil {
		t.Fatal(err)
	}
	s := l.becomes(l.start(task), machine.Stopped)
	if want := fmt.Sprintf("the name %s is taken by another container", containerName(&task, "app")); !strings.Contains(s.Reason, want) {
		t.Errorf("%+v", s)
	}
	if err := l.machine.Forget(t.Context(), task.ARN); err != nil {
		t.Fatal(err)
	}
	l.machine.Close()
	l.open()
	for _, id := range []string{other.ID, squatter.ID} {
		if _, err := l.engine.ContainerInspect(t.Context(), id); err != nil {
			t.Errorf("another's container is gone: %v", err)
		}
	}
	for _, id := range []string{other.ID, squatter.ID} {
		if err := l.engine.ContainerRemove(t.Context(), id, container.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	}
}
