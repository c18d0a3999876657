package ecs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// running are the tasks of a service that run, by ARN, with the port of the machine
// that each has.
func (l *lab) running(service string) map[string]int {
	l.t.Helper()
	ports := map[string]int{}
	arns := strings.Fields(l.do("aws ecs list-tasks --service-name %s --query 'taskArns' --output text", service))
	if len(arns) == 0 || arns[0] == "None" {
		return ports
	}
	var list []task
	out := l.do("aws ecs describe-tasks --tasks %s --query tasks", strings.Join(arns, " "))
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
	for _, v := range list {
		if v.LastStatus == "RUNNING" && len(v.Containers[0].NetworkBindings) == 1 {
			ports[v.TaskArn] = v.Containers[0].NetworkBindings[0].HostPort
		}
	}
	return ports
}

func (l *lab) colour(port int) string { return get(fmt.Sprintf("http://127.0.0.1:%d/", port)) }

func TestAServiceIsKeptRolledOutAndRolledBack(t *testing.T) {
	l := newLab(t)
	l.do("aws ecr create-repository --repository-name web")
	l.do("aws ecr get-login-password | docker login --username AWS --password-stdin %s", l.server.Host())
	role := l.role("ecsTaskExecutionRole", executionPolicy)
	define := func(tag, command string) string {
		return l.do(`aws ecs register-task-definition --family web --execution-role-arn %s --query taskDefinition.taskDefinitionArn --output text --container-definitions '[{
			"name":"app","image":"%s","memory":32,"command":[%s],"environment":[{"name":"COLOUR","value":"%s"}],"portMappings":[{"containerPort":8080}],
			"healthCheck":{"command":["CMD","/probe","get","http://127.0.0.1:8080/","exit","0"],"interval":5,"retries":2}}]'`, role, l.push("web", tag), command, tag)
	}
	first := define("blue", `"serve","8080","wait"`)
	l.eventually("the machine has registered", func() bool {
		return l.do("aws ecs list-container-instances --query 'containerInstanceArns' --output text") != ""
	})
	l.do("aws ecs create-service --service-name web --task-definition %s --desired-count 3 --deployment-configuration '%s'", first,
		"deploymentCircuitBreaker={enable=true,rollback=true},minimumHealthyPercent=100,maximumPercent=200")
	l.do("aws ecs wait services-stable --services web")
	tasks := l.running("web")
	if len(tasks) != 3 {
		t.Fatalf("%v", tasks)
	}
	for arn, port := range tasks {
		if got := l.colour(port); !strings.Contains(got, "blue") {
			t.Errorf("%s answers %q", arn, got)
		}
	}

	// A container that is killed comes back, in another task.
	l.do("docker kill $(docker ps --quiet | head -n 1)")
	l.eventually("there are three again", func() bool {
		now := l.running("web")
		return len(now) == 3 && slices.ContainsFunc(slices.Collect(maps.Keys(now)), func(arn string) bool { _, before := tasks[arn]; return !before })
	})

	// A second image takes the place of the first, and somebody answers all the while.
	second := define("green", `"serve","8080","wait"`)
	l.do("aws ecs update-service --service web --task-definition %s", second)
	l.eventually("all are green", func() bool {
		now := l.running("web")
		green, answering := 0, 0
		for _, port := range now {
			switch got := l.colour(port); {
			case strings.Contains(got, "green"):
				green, answering = green+1, answering+1
			case strings.Contains(got, "blue"):
				answering++
			}
		}
		if answering == 0 {
			t.Errorf("nobody answers: %v", now)
		}
		return green == 3 && len(now) == 3
	})
	l.do("aws ecs wait services-stable --services web")

	// A third that does not work trips the circuit breaker, and the second is back.
	l.do("aws ecs update-service --service web --task-definition %s", define("red", `"exit","1"`))
	l.eventually("it is rolled back", func() bool {
		return strings.Contains(l.do("aws ecs describe-services --services web --query 'services[0].events[].message' --output text"), "rolling back to deployment")
	})
	l.eventually("three are green", func() bool {
		out := l.do("aws ecs describe-services --services web --query 'services[0].[taskDefinition,runningCount]' --output text")
		return strings.Contains(out, second) && strings.HasSuffix(out, "3")
	})
	l.do("aws ecs update-service --service web --desired-count 0")
	l.eventually("nothing runs", func() bool { return l.do("docker ps --quiet") == "" })
	if got := l.do("aws ecs delete-service --service web --query service.status --output text"); got != "DRAINING" && got != "INACTIVE" {
		t.Errorf("%s", got)
	}
}
