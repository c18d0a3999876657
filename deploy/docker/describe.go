package docker

import (
	"context"
	"maps"
	"os"
	"slices"

	"github.com/docker/docker/api/types/system"

	"drydock/deploy/machine"
)

// reserved are ports that ECS leaves out on every machine: those of ssh, of Docker and
// of Amazon's agent.
var reserved = []int{22, 2375, 2376, 51678, 51679, 51680}

// Describe implements machine.Machine.
func (m *Machine) Describe(ctx context.Context) (machine.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	info, err := m.engine.Info(ctx)
	if err != nil {
		return machine.Description{}, unavailable(err)
	}
	ports := slices.Clone(reserved)
	for _, p := range m.o.Ports {
		if !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	slices.Sort(ports)
	return machine.Description{
		ID: m.o.Owner + "/" + info.ID, CPU: int64(info.NCPU) * 1024, Memory: info.MemTotal / mib, TakenTCP: ports,
		Attributes: m.attributes(info), AgentVersion: "1.0.0", EngineVersion: "DockerVersion: " + info.ServerVersion, Privileged: m.o.Privileged,
	}, nil
}

// attributes are those by which ECS tells machines apart.
// Source: Amazon ECS Developer Guide, "Amazon ECS container instance attributes".
func (m *Machine) attributes(info system.Info) map[string]string {
	const docker, ecs = "com.amazonaws.ecs.capability.", "ecs.capability."
	arch := archOf(info)
	if arch == "amd64" {
		arch = "x86_64"
	}
	a := map[string]string{"ecs.os-type": "linux", "ecs.os-family": "LINUX", "ecs.cpu-architecture": arch, "ecs.instance-type": "drydock.local"}
	for _, n := range []string{
		docker + "ecr-auth", docker + "task-iam-role", docker + "task-iam-role-network-host", docker + "docker-remote-api.1.41",
		ecs + "task-eni", ecs + "execution-role-ecr-pull", ecs + "execution-role-awslogs", ecs + "container-health-check", ecs + "container-ordering",
		ecs + "pid-ipc-namespace-sharing", ecs + "task-cpu-mem-limit", ecs + "container-restart-policy", ecs + "env-files.s3",
		ecs + "secrets.asm.environment-variables", ecs + "secrets.ssm.environment-variables",
	} {
		a[n] = ""
	}
	for _, d := range info.Plugins.Log {
		a[docker+"logging-driver."+d] = ""
	}
	if m.o.Privileged {
		a[docker+"privileged-container"] = ""
	}
	maps.Copy(a, m.o.Attributes)
	return a
}

// archOf is the Engine's architecture as Go and images name it; the kernel has names
// of its own, which the Engine tells.
func archOf(info system.Info) string {
	if a := map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[info.Architecture]; a != "" {
		return a
	}
	return info.Architecture
}

// cgroupsOf is the kind of cgroups in which tasks can be limited as a whole, empty
// where they cannot.
func cgroupsOf(info system.Info) string {
	kind := info.CgroupVersion + " " + info.CgroupDriver
	probe := map[string]string{cgroupfs1: hierarchy + "/memory", cgroupfs2: hierarchy}[kind]
	if probe == "" || os.Geteuid() != 0 {
		return ""
	}
	if fi, err := os.Stat(probe); err != nil || !fi.IsDir() {
		return ""
	}
	return kind
}
