package taskdefinition

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// request is a task definition of one container, changed by JSON in the SDK's
// spelling.
func request(t *testing.T, task, container string) *ecs.RegisterTaskDefinitionInput {
	t.Helper()
	in := &ecs.RegisterTaskDefinitionInput{Family: to("web")}
	c := types.ContainerDefinition{Name: to("app"), Image: to("localhost:5000/app:1"), Memory: to(int32(64))}
	if err := json.Unmarshal([]byte(container), &c); err != nil {
		t.Fatal(err)
	}
	in.ContainerDefinitions = []types.ContainerDefinition{c}
	if err := json.Unmarshal([]byte(task), in); err != nil {
		t.Fatal(err)
	}
	return in
}

const fargate = `"RequiresCompatibilities":["FARGATE"],"NetworkMode":"awsvpc","Cpu":"256","Memory":"512","ExecutionRoleArn":"exec"`

func TestWhatECSRefusesIsRefusedInItsWords(t *testing.T) {
	second := func(c string) string {
		return `{"ContainerDefinitions":[{"Name":"app","Image":"i","Memory":64},{"Name":"side","Image":"i","Memory":64,` + c + `}]}`
	}
	for name, c := range map[string]struct{ task, container, says string }{
		"no family":              {`{"Family":""}`, `{}`, "Family should not be null or empty"},
		"no containers":          {`{"ContainerDefinitions":[]}`, `{}`, "Container list cannot be empty"},
		"no image":               {`{}`, `{"Image":""}`, "Container.image should not be null or empty."},
		"no memory":              {`{}`, `{"Memory":null}`, "At least one of 'memory' or 'memoryReservation' must be specified."},
		"too little memory":      {`{}`, `{"Memory":4}`, "must be at least 6 MiB"},
		"reservation above":      {`{}`, `{"MemoryReservation":128}`, "must be greater than or equal to 'memoryReservation'"},
		"nothing essential":      {`{}`, `{"Essential":false}`, "at least one essential container"},
		"twice the name":         {second(`"Name":"app"`), `{}`, "Container names should be unique"},
		"unknown volume":         {`{}`, `{"MountPoints":[{"SourceVolume":"v","ContainerPath":"/v"}]}`, "Unknown volume 'v'."},
		"unknown dependency":     {`{}`, `{"DependsOn":[{"ContainerName":"db","Condition":"START"}]}`, "does not exist in the task definition"},
		"health of nobody":       {second(`"DependsOn":[{"ContainerName":"app","Condition":"HEALTHY"}]`), `{}`, "has no health check"},
		"success of essential":   {second(`"DependsOn":[{"ContainerName":"app","Condition":"SUCCESS"}]`), `{}`, "since that is essential"},
		"circle":                 {`{"ContainerDefinitions":[{"Name":"a","Image":"i","Memory":64,"DependsOn":[{"ContainerName":"b","Condition":"START"}]},{"Name":"b","Image":"i","Memory":64,"Links":["a"]}]}`, `{}`, "Cyclic dependency"},
		"ports of the host":      {`{"NetworkMode":"host"}`, `{"PortMappings":[{"ContainerPort":80,"HostPort":81}]}`, "When networkMode=host, the host ports and container ports in port mappings must match."},
		"a port twice":           {second(`"PortMappings":[{"ContainerPort":80,"HostPort":8080},{"ContainerPort":81,"HostPort":8080}]`), `{}`, "Host port 8080 (tcp) is taken twice"},
		"links in awsvpc":        {`{"NetworkMode":"awsvpc","ContainerDefinitions":[{"Name":"a","Image":"i","Memory":64,"Links":["b"]},{"Name":"b","Image":"i","Memory":64}]}`, `{}`, "Links are not supported when networkMode=awsvpc."},
		"Fargate on bridge":      {`{"RequiresCompatibilities":["FARGATE"],"NetworkMode":"bridge"}`, `{}`, "Fargate only supports network mode ‘awsvpc’."},
		"Fargate without cpu":    {`{"RequiresCompatibilities":["FARGATE"],"NetworkMode":"awsvpc","Memory":"512"}`, `{}`, "Fargate requires that 'cpu' be defined at the task level."},
		"no such size":           {`{` + fargate + `,"Memory":"4 GB"}`, `{}`, "No Fargate configuration exists for given values: 256 CPU, 4096 memory."},
		"Fargate privileged":     {`{` + fargate + `}`, `{"Privileged":true}`, "Fargate does not support privileged"},
		"ECR without a role":     {`{` + fargate + `,"ExecutionRoleArn":""}`, `{"Image":"123456789012.dkr.ecr.eu-west-1.amazonaws.com/a:1"}`, "execution role ARN to support ECR images"},
		"secrets without a role": {`{}`, `{"Secrets":[{"Name":"A","ValueFrom":"b"}]}`, "you must also specify a value for 'executionRoleArn'"},
		"secret and variable":    {`{"ExecutionRoleArn":"exec"}`, `{"Environment":[{"Name":"A","Value":"b"}],"Secrets":[{"Name":"A","ValueFrom":"b"}]}`, "The secret name must be unique"},
		"awslogs without group":  {`{}`, `{"LogConfiguration":{"LogDriver":"awslogs","Options":{"awslogs-region":"eu-west-1"}}}`, "requires options: awslogs-region, awslogs-group"},
		"where logs go":          {`{}`, `{"LogConfiguration":{"LogDriver":"awslogs","Options":{"awslogs-region":"r","awslogs-group":"g","awslogs-endpoint":"http://e"}}}`, "disallows options: awslogs-endpoint"},
		"health check":           {`{}`, `{"HealthCheck":{"Command":["true"]}}`, "begins with CMD or CMD-SHELL"},
		"interval":               {`{}`, `{"HealthCheck":{"Command":["CMD","true"],"Interval":1}}`, "between 5 and 300"},
		"expression":             {`{"PlacementConstraints":[{"Type":"memberOf","Expression":"attribute:a =="}]}`, `{}`, "Invalid expression"},
		"tasks of Windows":       {`{"RuntimePlatform":{"OperatingSystemFamily":"WINDOWS_SERVER_2019_CORE"}}`, `{}`, "Machines run Linux here"},
		"EFS":                    {`{"Volumes":[{"Name":"v","EfsVolumeConfiguration":{"FileSystemId":"fs-1"}}]}`, `{}`, "There are no file systems of Amazon's here"},
		"cpu beyond the task":    {`{"Cpu":"256","Memory":"512"}`, `{"Cpu":512}`, "exceeds that of the task (256)"},
		"size in words":          {`{"Cpu":"much"}`, `{}`, "neither a number of units"},
		"role":                   {`{"TaskRoleArn":"not a role"}`, `{}`, "Role is not valid"},
		"restart":                {`{}`, `{"RestartPolicy":{"Enabled":true,"RestartAttemptPeriod":10}}`, "between 60 and 1800"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(request(t, c.task, c.container))
			var parameter *ParameterError
			var missing *UnsupportedError
			if err == nil || !strings.Contains(err.Error(), c.says) || !errors.As(err, &parameter) && !errors.As(err, &missing) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestWhatIsLeftOutIsFilledIn(t *testing.T) {
	d, err := New(request(t, `{"Cpu":".25 vCPU","Memory":"0.5GB"}`, `{"PortMappings":[{"ContainerPort":80}],"HealthCheck":{"Command":["CMD","true"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	c := d.ContainerDefinitions[0]
	if *d.Cpu != "256" || *d.Memory != "512" || !*c.Essential || *c.PortMappings[0].HostPort != 0 || c.PortMappings[0].Protocol != "tcp" ||
		*c.HealthCheck.Interval != 30 || *c.HealthCheck.Retries != 3 || c.HealthCheck.StartPeriod != nil || c.Environment == nil || d.Volumes == nil {
		b, _ := json.Marshal(d)
		t.Errorf("%s", b)
	}
	if d, err = New(request(t, `{`+fargate+`}`, `{"PortMappings":[{"ContainerPort":80}]}`)); err != nil {
		t.Fatal(err)
	}
	if *d.ContainerDefinitions[0].PortMappings[0].HostPort != 80 {
		t.Error("in awsvpc mode the host port is the container's")
	}
}

func TestCompatibilitiesAreThoseThatItWouldPassFor(t *testing.T) {
	for task, want := range map[string][]types.Compatibility{
		`{}`:                       {"EC2", "EXTERNAL"},
		`{"NetworkMode":"awsvpc"}`: {"EC2"},
		`{"NetworkMode":"awsvpc","Cpu":"256","Memory":"512"}`: {"EC2", "FARGATE"},
		`{"NetworkMode":"awsvpc","Cpu":"300","Memory":"512"}`: {"EC2"},
		`{` + fargate + `}`: {"EC2", "FARGATE"},
	} {
		d, err := New(request(t, task, `{}`))
		if err != nil || !slices.Equal(d.Compatibilities, want) {
			t.Errorf("%s: %v, %v, want %v", task, d, err, want)
		}
	}
}

func TestAttributesThatAMachineNeedsAreTold(t *testing.T) {
	d, err := New(request(t, `{"TaskRoleArn":"t","ExecutionRoleArn":"e","RuntimePlatform":{"CpuArchitecture":"ARM64"}}`,
		`{"Privileged":true,"Image":"1234567890.dkr.ecr.eu-west-1.amazonaws.com/a","LogConfiguration":{"LogDriver":"awslogs","Options":{"awslogs-region":"r","awslogs-group":"g"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range d.RequiresAttributes {
		names = append(names, *a.Name+"="+deref(a.Value))
	}
	want := []string{
		"com.amazonaws.ecs.capability.ecr-auth=", "com.amazonaws.ecs.capability.logging-driver.awslogs=", "com.amazonaws.ecs.capability.privileged-container=",
		"com.amazonaws.ecs.capability.task-iam-role=", "ecs.capability.execution-role-awslogs=", "ecs.capability.execution-role-ecr-pull=", "ecs.cpu-architecture=arm64",
	}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

func FuzzSizes(f *testing.F) {
	for _, s := range []string{"256", ".25 vCPU", "1 vcpu", "0.5GB", "NaN", "-1", "1e400 GB", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := CPU(s); err == nil && n < 0 {
			t.Errorf("CPU(%q) = %d", s, n)
		}
		if n, err := Memory(s); err == nil && n < 0 {
			t.Errorf("Memory(%q) = %d", s, n)
		}
	})
}
