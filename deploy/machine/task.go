package machine

import "time"

// Task is a task as a machine is to run it: a task definition with its overrides
// applied. It can be kept as JSON, since no secret is part of it: those the machine
// asks its Keeper for.
type Task struct {
	ARN, ClusterARN, Cluster, Family string
	Revision                         int32
	// Group is "service:NAME", "family:NAME" or what RunTask was given.
	Group, Service, LaunchType, StartedBy string
	Account, Region, AvailabilityZone     string
	// NetworkMode is bridge, host, awsvpc or none.
	NetworkMode string
	// CPU (units of 1/1024 core) and Memory (MiB) limit the task as a whole; 0 is
	// no limit.
	CPU, Memory int64
	PidMode     string // host, task or empty
	IpcMode     string // host, task, none or empty
	// RoleARN and ExecutionRoleARN are empty where the task has none.
	RoleARN, ExecutionRoleARN string
	Volumes                   []Volume
	// Containers are in the order of the task definition.
	Containers []Container
	// CreatedAt is when the task was made.
	CreatedAt time.Time
}

// Volume is a volume of a task.
type Volume struct {
	Name string
	// HostPath is a folder of the machine; when empty the volume is Docker's.
	HostPath string
	// Driver, DriverOptions and Labels are those of a Docker volume.
	Driver                string
	DriverOptions, Labels map[string]string
	// Shared volumes outlive the task; others end with it.
	Shared bool
	// Autoprovision makes a shared volume that is not there.
	Autoprovision bool
}

// Container is one container of a task.
type Container struct {
	// ARN names the container, Name it within the task.
	ARN, Name string
	// Image is as the task definition has it.
	Image string
	// Repository is set where the image is one of this server's own registry:
	// it is then pulled with the execution role's password.
	Repository *RepositoryImage
	Essential  bool
	// CPU is in shares of 1024 a core; Memory is the hard and MemoryReservation
	// the soft limit in MiB. 0 is none.
	CPU, Memory, MemoryReservation int64
	EntryPoint, Command            []string
	WorkingDirectory               string
	User                           string
	Hostname                       string
	Environment                    map[string]string
	// EnvironmentFiles and Secrets are ARNs, resolved by the server when the task
	// is to start.
	EnvironmentFiles []string
	Secrets          map[string]string
	Ports            []Port
	Mounts           []Mount
	VolumesFrom      []VolumesFrom
	Links            []string
	DependsOn        []Dependency
	// StartTimeout is how long others wait for this one; StopTimeout is how long
	// it has between the stop signal and the kill.
	StartTimeout, StopTimeout time.Duration
	// NoHealth turns the image's own health check off.
	NoHealth                 bool
	Health                   *HealthCheck
	Restart                  *RestartPolicy
	Log                      *Log
	Linux                    Linux
	Privileged, ReadOnlyRoot bool
	Interactive, Terminal    bool
	DisableNetworking        bool
	DNSServers, DNSSearch    []string
	DockerSecurityOptions    []string
	ExtraHosts               map[string]string
	Labels                   map[string]string
	Ulimits                  []Ulimit
	Sysctls                  map[string]string
	GPUs                     int
}

// RepositoryImage is an image of this server's own registry.
type RepositoryImage struct {
	Account, Region, Name string
	// Reference is the tag, or the digest, as given.
	Reference string
}

// Port is a port mapping. HostPort 0 asks for a dynamic one.
type Port struct {
	ContainerPort, HostPort int32
	// ContainerPortRange, such as "8000-8010", stands in for ContainerPort.
	ContainerPortRange string
	Protocol           string // tcp or udp
	Name               string
}

// Mount puts a volume into a container.
type Mount struct {
	Volume, Path string
	ReadOnly     bool
}

// VolumesFrom takes the mounts of another container.
type VolumesFrom struct {
	Container string
	ReadOnly  bool
}

// Dependency makes a container wait for another. Condition is START, COMPLETE,
// SUCCESS or HEALTHY.
type Dependency struct{ Container, Condition string }

// HealthCheck is a command run in the container.
type HealthCheck struct {
	Command                        []string
	Interval, Timeout, StartPeriod time.Duration
	Retries                        int
}

// RestartPolicy restarts a container that has exited, unless with an ignored code
// or after less than Period.
type RestartPolicy struct {
	IgnoredExitCodes []int32
	Period           time.Duration
}

// Log is a log driver with its options.
type Log struct {
	Driver  string
	Options map[string]string
	// SecretOptions are ARNs.
	SecretOptions map[string]string
}

// Linux are the settings of linuxParameters.
type Linux struct {
	AddCapabilities, DropCapabilities []string
	Devices                           []Device
	Tmpfs                             []Tmpfs
	Init                              bool
	// SharedMemory, MaxSwap are in MiB; MaxSwap is nil where it is Docker's.
	SharedMemory int64
	MaxSwap      *int64
	Swappiness   *int64
}

// Device gives a device of the machine to a container.
type Device struct {
	Host, Container string
	Permissions     []string
}

// Tmpfs is a file system in memory; Size is in MiB.
type Tmpfs struct {
	Path    string
	Size    int64
	Options []string
}

// Ulimit is a limit of the kernel's for a process.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}
