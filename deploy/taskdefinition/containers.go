package taskdefinition

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// leastMemory is the least memory of a container, in MiB: what Docker needs.
const leastMemory = 6

// checkContainers checks each container by itself.
func checkContainers(d *types.TaskDefinition) error {
	seen, essential := map[string]bool{}, false
	for i := range d.ContainerDefinitions {
		c := &d.ContainerDefinitions[i]
		n := deref(c.Name)
		switch {
		case n == "":
			return wrong("Container.name should not be null or empty.")
		case !name.MatchString(n):
			return wrong("Container name should match the pattern ^[a-zA-Z0-9_-]{1,255}$: %q does not.", n)
		case seen[n]:
			return wrong("Container names should be unique: '%s' is not.", n)
		case deref(c.Image) == "":
			return wrong("Container.image should not be null or empty.")
		case len(*c.Image) > 255 || strings.ContainsAny(*c.Image, " \t\n"):
			return wrong("Container.image contains invalid characters or is longer than 255: container '%s'.", n)
		}
		seen[n] = true
		if c.Essential == nil {
			c.Essential = to(true)
		}
		essential = essential || *c.Essential
		for _, check := range []func(*types.TaskDefinition, *types.ContainerDefinition) error{
			checkMissing, checkResources, checkMode, checkTimes, checkHealth, checkEnvironment, checkLimits, checkLog, checkRestart,
		} {
			if err := check(d, c); err != nil {
				return err
			}
		}
	}
	if !essential {
		return wrong("A task definition must have at least one essential container.")
	}
	return nil
}

// checkMissing refuses what does not exist here.
func checkMissing(_ *types.TaskDefinition, c *types.ContainerDefinition) error {
	n := *c.Name
	switch {
	case c.FirelensConfiguration != nil:
		return unsupported("There is no FireLens here: leave firelensConfiguration out of container '%s'.", n)
	case c.RepositoryCredentials != nil:
		return unsupported("Images of other registries are pulled without credentials here: leave repositoryCredentials out of container '%s'.", n)
	case len(c.CredentialSpecs) > 0:
		return unsupported("There are no credential specs here: leave credentialSpecs out of container '%s'.", n)
	}
	for _, r := range c.ResourceRequirements {
		if r.Type != types.ResourceTypeGpu {
			return unsupported("The resource %s does not exist here: container '%s' can require GPU only.", r.Type, n)
		}
	}
	return nil
}

func checkResources(_ *types.TaskDefinition, c *types.ContainerDefinition) error {
	n := *c.Name
	switch {
	case c.Cpu < 0:
		return wrong("Invalid 'cpu' setting for container '%s'.", n)
	case c.Memory != nil && *c.Memory < leastMemory:
		return wrong("Invalid setting for container '%s'. 'memory' must be at least %d MiB.", n, leastMemory)
	case c.MemoryReservation != nil && *c.MemoryReservation < leastMemory:
		return wrong("Invalid setting for container '%s'. 'memoryReservation' must be at least %d MiB.", n, leastMemory)
	case c.Memory != nil && c.MemoryReservation != nil && *c.Memory < *c.MemoryReservation:
		return wrong("Invalid setting for container '%s'. 'memory' must be greater than or equal to 'memoryReservation'.", n)
	}
	for _, r := range c.ResourceRequirements {
		if v := deref(r.Value); v == "" || strings.Trim(v, "0123456789") != "" || len(v) > 3 {
			return wrong("Invalid number of GPUs %q of container '%s'.", v, n)
		}
	}
	return nil
}

// checkMode checks what the network mode and Fargate do not allow.
func checkMode(d *types.TaskDefinition, c *types.ContainerDefinition) error {
	n, mode := *c.Name, NetworkMode(d)
	switch {
	case len(c.Links) > 0 && mode != types.NetworkModeBridge:
		return wrong("Links are not supported when networkMode=%s.", mode)
	case deref(c.Hostname) != "" && mode == types.NetworkModeAwsvpc:
		return wrong("Hostname is not supported when networkMode=awsvpc: container '%s'.", n)
	case (len(c.DnsServers) > 0 || len(c.DnsSearchDomains) > 0) && mode == types.NetworkModeAwsvpc && !isFargate(d):
		return wrong("DNS servers and search domains are not supported when networkMode=awsvpc: container '%s'.", n)
	case len(c.ExtraHosts) > 0 && mode == types.NetworkModeAwsvpc:
		return wrong("Extra hosts are not supported when networkMode=awsvpc: container '%s'.", n)
	case deref(c.DisableNetworking) && mode == types.NetworkModeAwsvpc:
		return wrong("disableNetworking is not supported when networkMode=awsvpc: container '%s'.", n)
	}
	for _, h := range c.ExtraHosts {
		if deref(h.Hostname) == "" || deref(h.IpAddress) == "" {
			return wrong("Extra hosts need a hostname and an ipAddress: container '%s'.", n)
		}
	}
	if !isFargate(d) {
		return nil
	}
	l := c.LinuxParameters
	switch {
	case deref(c.Privileged):
		return wrong("Fargate does not support privileged containers: container '%s'.", n)
	case len(c.DockerSecurityOptions) > 0:
		return wrong("Fargate does not support dockerSecurityOptions: container '%s'.", n)
	case len(c.ResourceRequirements) > 0:
		return wrong("Fargate does not support GPUs: container '%s'.", n)
	case l != nil && (len(l.Devices) > 0 || l.SharedMemorySize != nil || l.MaxSwap != nil || l.Swappiness != nil):
		return wrong("Fargate does not support devices, sharedMemorySize, maxSwap and swappiness: container '%s'.", n)
	case l != nil && l.Capabilities != nil && slices.ContainsFunc(l.Capabilities.Add, func(s string) bool { return s != "SYS_PTRACE" }):
		return wrong("Fargate only supports adding the capability SYS_PTRACE: container '%s'.", n)
	}
	return nil
}

func checkTimes(d *types.TaskDefinition, c *types.ContainerDefinition) error {
	for what, v := range map[string]*int32{"startTimeout": c.StartTimeout, "stopTimeout": c.StopTimeout} {
		switch {
		case v == nil:
		case *v < 0:
			return wrong("Invalid '%s' setting for container '%s': %d.", what, *c.Name, *v)
		case isFargate(d) && *v > 120:
			return wrong("Fargate supports a %s of at most 120 seconds: container '%s'.", what, *c.Name)
		}
	}
	return nil
}

// checkHealth checks a health check and fills in what is left out.
// Source: API reference, HealthCheck.
func checkHealth(_ *types.TaskDefinition, c *types.ContainerDefinition) error {
	h := c.HealthCheck
	if h == nil {
		return nil
	}
	if len(h.Command) == 0 || h.Command[0] != "CMD" && h.Command[0] != "CMD-SHELL" && h.Command[0] != "NONE" || h.Command[0] != "NONE" && len(h.Command) < 2 {
		return wrong("Invalid health check command of container '%s': it begins with CMD or CMD-SHELL, followed by what to run.", *c.Name)
	}
	for _, v := range []struct {
		name                  string
		field                 **int32
		least, most, standard int32
	}{
		{"interval", &h.Interval, 5, 300, 30}, {"timeout", &h.Timeout, 2, 120, 5}, {"retries", &h.Retries, 1, 10, 3}, {"startPeriod", &h.StartPeriod, 0, 300, -1},
	} {
		switch {
		case *v.field == nil && v.standard >= 0:
			*v.field = to(v.standard)
		case *v.field != nil && (**v.field < v.least || **v.field > v.most):
			return wrong("Invalid health check %s of container '%s': it is between %d and %d.", v.name, *c.Name, v.least, v.most)
		}
	}
	return nil
}

func checkEnvironment(_ *types.TaskDefinition, c *types.ContainerDefinition) error {
	for _, e := range c.Environment {
		if strings.ContainsAny(deref(e.Name), "=\x00") || deref(e.Name) == "" {
			return wrong("Invalid environment variable name %q in container '%s'.", deref(e.Name), *c.Name)
		}
	}
	seen := map[string]bool{}
	for _, s := range c.Secrets {
		switch n := deref(s.Name); {
		case n == "" || deref(s.ValueFrom) == "" || strings.ContainsAny(n, "=\x00"):
			return wrong("A secret of container '%s' needs a name and a valueFrom.", *c.Name)
		case seen[n]:
			return wrong("The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '%s'.", n)
		default:
			seen[n] = true
		}
	}
	for _, e := range c.Environment {
		if seen[*e.Name] {
			return wrong("The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '%s'.", *e.Name)
		}
	}
	if len(c.EnvironmentFiles) > 10 {
		return wrong("Container '%s' has more than 10 environment files.", *c.Name)
	}
	for _, f := range c.EnvironmentFiles {
		if f.Type != types.EnvironmentFileTypeS3 || !strings.HasPrefix(deref(f.Value), "arn:aws:s3:::") || !strings.HasSuffix(*f.Value, ".env") {
			return wrong("An environment file of container '%s' is not the ARN of an S3 object that ends in .env.", *c.Name)
		}
	}
	return nil
}

func checkLimits(_ *types.TaskDefinition, c *types.ContainerDefinition) error {
	seen := map[types.UlimitName]bool{}
	for _, u := range c.Ulimits {
		switch {
		case !slices.Contains(u.Name.Values(), u.Name):
			return wrong("Invalid ulimit name %q in container '%s'.", u.Name, *c.Name)
		case seen[u.Name]:
			return wrong("Ulimit names must be unique: '%s' in container '%s' is not.", u.Name, *c.Name)
		case u.SoftLimit > u.HardLimit && u.HardLimit >= 0:
			return wrong("The soft limit of ulimit '%s' in container '%s' is greater than the hard limit.", u.Name, *c.Name)
		}
		seen[u.Name] = true
	}
	for _, v := range c.SystemControls {
		if deref(v.Namespace) == "" || deref(v.Value) == "" {
			return wrong("A system control of container '%s' needs a namespace and a value.", *c.Name)
		}
	}
	l := c.LinuxParameters
	if l == nil {
		return nil
	}
	if v := l.Swappiness; v != nil && (*v < 0 || *v > 100) {
		return wrong("Invalid swappiness of container '%s': it is between 0 and 100.", *c.Name)
	}
	if v := l.MaxSwap; v != nil && *v < 0 {
		return wrong("Invalid maxSwap of container '%s': %d.", *c.Name, *v)
	}
	for _, t := range l.Tmpfs {
		if !strings.HasPrefix(deref(t.ContainerPath), "/") || t.Size < 1 {
			return wrong("A tmpfs of container '%s' needs a containerPath that begins with / and a size of at least 1 MiB.", *c.Name)
		}
	}
	for _, v := range l.Devices {
		if !strings.HasPrefix(deref(v.HostPath), "/dev/") {
			return wrong("A device of container '%s' needs a hostPath below /dev.", *c.Name)
		}
	}
	return nil
}

// checkRestart checks a restart policy and fills in what is left out.
// Source: API reference, ContainerRestartPolicy.
func checkRestart(_ *types.TaskDefinition, c *types.ContainerDefinition) error {
	p := c.RestartPolicy
	if p == nil || !deref(p.Enabled) {
		return nil
	}
	if p.RestartAttemptPeriod == nil {
		p.RestartAttemptPeriod = to(int32(300))
	}
	switch n := *p.RestartAttemptPeriod; {
	case n < 60 || n > 1800:
		return wrong("Invalid restartAttemptPeriod of container '%s': it is between 60 and 1800 seconds.", *c.Name)
	case len(p.IgnoredExitCodes) > 50:
		return wrong("Too many ignoredExitCodes of container '%s': there can be 50.", *c.Name)
	}
	return nil
}
