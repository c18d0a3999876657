package taskdefinition

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// fill makes empty lists of those that ECS shows even when they are empty.
func fill(d *types.TaskDefinition) {
	d.Volumes = orEmpty(d.Volumes)
	d.PlacementConstraints = orEmpty(d.PlacementConstraints)
	for i := range d.Volumes {
		v := &d.Volumes[i]
		if v.Host == nil && v.DockerVolumeConfiguration == nil {
			v.Host = &types.HostVolumeProperties{}
		}
		if c := v.DockerVolumeConfiguration; c != nil && c.Scope == "" {
			c.Scope = types.ScopeTask
		}
	}
	for i := range d.ContainerDefinitions {
		c := &d.ContainerDefinitions[i]
		c.Environment, c.MountPoints, c.VolumesFrom = orEmpty(c.Environment), orEmpty(c.MountPoints), orEmpty(c.VolumesFrom)
		c.PortMappings, c.SystemControls = orEmpty(c.PortMappings), orEmpty(c.SystemControls)
	}
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// compatibilities are the launch types that a task definition fits.
func compatibilities(d *types.TaskDefinition) []types.Compatibility {
	list := []types.Compatibility{types.CompatibilityEc2}
	if NetworkMode(d) != types.NetworkModeAwsvpc {
		list = append(list, types.CompatibilityExternal)
	}
	if fitsFargate(d) {
		list = append(list, types.CompatibilityFargate)
	}
	return list
}

// fitsFargate reports whether the same task definition could have required Fargate.
func fitsFargate(d *types.TaskDefinition) bool {
	if isFargate(d) {
		return true
	}
	if d.NetworkMode != types.NetworkModeAwsvpc || d.Cpu == nil || d.Memory == nil {
		return false
	}
	as := *d
	as.ContainerDefinitions = slices.Clone(d.ContainerDefinitions)
	as.RequiresCompatibilities = []types.Compatibility{types.CompatibilityFargate}
	for _, check := range []func(*types.TaskDefinition) error{checkTask, checkSize, checkVolumes, checkContainers, checkRoles, checkConstraints} {
		if check(&as) != nil {
			return false
		}
	}
	return true
}

// required are the attributes that a container instance must have for the task.
// Source: Amazon ECS Developer Guide, "Amazon ECS container instance attributes".
func required(d *types.TaskDefinition) []types.Attribute {
	need := map[string]string{}
	const docker, ecs = "com.amazonaws.ecs.capability.", "ecs.capability."
	if deref(d.TaskRoleArn) != "" {
		need[docker+"task-iam-role"] = ""
		if NetworkMode(d) == types.NetworkModeHost {
			need[docker+"task-iam-role-network-host"] = ""
		}
	}
	if NetworkMode(d) == types.NetworkModeAwsvpc {
		need[ecs+"task-eni"] = ""
	}
	if d.PidMode != "" || d.IpcMode != "" {
		need[ecs+"pid-ipc-namespace-sharing"] = ""
	}
	if d.Cpu != nil || d.Memory != nil {
		need[ecs+"task-cpu-mem-limit"] = ""
	}
	for _, c := range d.ContainerDefinitions {
		if deref(c.Privileged) {
			need[docker+"privileged-container"] = ""
		}
		if strings.Contains(*c.Image, ".dkr.ecr.") {
			need[docker+"ecr-auth"] = ""
			if deref(d.ExecutionRoleArn) != "" {
				need[ecs+"execution-role-ecr-pull"] = ""
			}
		}
		if l := c.LogConfiguration; l != nil {
			need[docker+"logging-driver."+string(l.LogDriver)] = ""
			if l.LogDriver == types.LogDriverAwslogs && deref(d.ExecutionRoleArn) != "" {
				need[ecs+"execution-role-awslogs"] = ""
			}
		}
		if c.HealthCheck != nil {
			need[ecs+"container-health-check"] = ""
		}
		if len(c.DependsOn) > 0 {
			need[ecs+"container-ordering"] = ""
		}
		for _, s := range c.Secrets {
			if strings.HasPrefix(deref(s.ValueFrom), "arn:aws:secretsmanager:") {
				need[ecs+"secrets.asm.environment-variables"] = ""
			} else {
				need[ecs+"secrets.ssm.environment-variables"] = ""
			}
		}
		if len(c.EnvironmentFiles) > 0 {
			need[ecs+"env-files.s3"] = ""
		}
		if p := c.RestartPolicy; p != nil && deref(p.Enabled) {
			need[ecs+"container-restart-policy"] = ""
		}
	}
	if p := d.RuntimePlatform; p != nil {
		if p.CpuArchitecture != "" {
			need["ecs.cpu-architecture"] = map[types.CPUArchitecture]string{types.CPUArchitectureX8664: "x86_64", types.CPUArchitectureArm64: "arm64"}[p.CpuArchitecture]
		}
		if p.OperatingSystemFamily != "" {
			need["ecs.os-type"] = "linux"
		}
	}
	list := []types.Attribute{}
	for n, v := range need {
		a := types.Attribute{Name: to(n)}
		if v != "" {
			a.Value = to(v)
		}
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b types.Attribute) int { return cmp.Compare(*a.Name, *b.Name) })
	return list
}
