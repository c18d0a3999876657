// Package taskdefinition checks task definitions as ECS does when they are
// registered, fills in what it fills in, and finds out what a machine must be able
// to do for them. It is pure: what it is given and what it returns are the structs of
// Amazon's Go SDK.
//
// What nothing here would obey is refused rather than stored.
//
// Source: Amazon ECS Developer Guide, "Task definition parameters"; the sentences
// are those that the aws CLI is seen to print, where they could be found.
package taskdefinition

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/placement/query"
)

// mostBytes is how long a task definition may be.
const mostBytes = 64 << 10

// mostContainers is how many containers a task may have, mostConstraints how many
// placement constraints.
const (
	mostContainers  = 10
	mostConstraints = 10
)

var name = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

// ParameterError says what is wrong with a task definition. ECS answers it as a
// ClientException.
type ParameterError struct{ message string }

func (e *ParameterError) Error() string { return e.message }

func wrong(format string, args ...any) error {
	return &ParameterError{fmt.Sprintf(format, args...)}
}

// UnsupportedError says what of a task definition does not exist here.
type UnsupportedError struct{ message string }

func (e *UnsupportedError) Error() string { return e.message }

func unsupported(format string, args ...any) error {
	return &UnsupportedError{fmt.Sprintf(format, args...)}
}

// New makes a task definition of a request, without what only its registration
// gives it: revision, ARN, times. Errors: *ParameterError, *UnsupportedError.
func New(in *ecs.RegisterTaskDefinitionInput) (*types.TaskDefinition, error) {
	//lint:ignore SA1019 what is no longer there at Amazon's can still be asked for
	if len(in.InferenceAccelerators) > 0 {
		return nil, unsupported("There are no inference accelerators here: leave inferenceAccelerators out.")
	}
	d, err := copied(in)
	if err != nil {
		return nil, err
	}
	for _, check := range []func(*types.TaskDefinition) error{
		refuse, checkTask, fillNetwork, checkSize, checkVolumes, checkContainers, checkOrder, checkPorts, checkRoles, checkConstraints,
	} {
		if err := check(d); err != nil {
			return nil, err
		}
	}
	fill(d)
	d.Compatibilities = compatibilities(d)
	for _, wanted := range d.RequiresCompatibilities {
		if !slices.Contains(d.Compatibilities, wanted) {
			// What is wrong for Fargate was said; for others everything goes.
			return nil, wrong("Invalid compatibility %q: the task definition does not fit it.", wanted)
		}
	}
	d.RequiresAttributes = required(d)
	return d, nil
}

// copied takes over what was asked for, so that nothing is shared with the request.
func copied(in *ecs.RegisterTaskDefinitionInput) (*types.TaskDefinition, error) {
	b, err := json.Marshal(&types.TaskDefinition{
		Family: in.Family, TaskRoleArn: in.TaskRoleArn, ExecutionRoleArn: in.ExecutionRoleArn, NetworkMode: in.NetworkMode,
		ContainerDefinitions: in.ContainerDefinitions, Volumes: in.Volumes, PlacementConstraints: in.PlacementConstraints,
		RequiresCompatibilities: in.RequiresCompatibilities, Cpu: in.Cpu, Memory: in.Memory, PidMode: in.PidMode, IpcMode: in.IpcMode,
		ProxyConfiguration: in.ProxyConfiguration, EphemeralStorage: in.EphemeralStorage,
		RuntimePlatform: in.RuntimePlatform, EnableFaultInjection: in.EnableFaultInjection,
	})
	if err != nil {
		return nil, wrong("The task definition cannot be stored: %v", err)
	}
	if len(b) > 4*mostBytes { // nulls included, which are not part of the request
		return nil, wrong("Actual length of the task definition is longer than %d bytes.", mostBytes)
	}
	d := new(types.TaskDefinition)
	return d, json.Unmarshal(b, d)
}

// refuse refuses what does not exist here.
func refuse(d *types.TaskDefinition) error {
	switch {
	case d.ProxyConfiguration != nil:
		return unsupported("There is no App Mesh here: leave proxyConfiguration out.")
	case d.EphemeralStorage != nil:
		return unsupported("The storage of a task is not limited here: leave ephemeralStorage out.")
	case deref(d.EnableFaultInjection):
		return unsupported("There is no fault injection here: leave enableFaultInjection out or false.")
	}
	if p := d.RuntimePlatform; p != nil && p.OperatingSystemFamily != "" && p.OperatingSystemFamily != types.OSFamilyLinux {
		return unsupported("Machines run Linux here: the operatingSystemFamily %s does not exist.", p.OperatingSystemFamily)
	}
	return nil
}

// checkTask checks what is said of the task as a whole.
func checkTask(d *types.TaskDefinition) error {
	switch {
	case deref(d.Family) == "":
		return wrong("Family should not be null or empty.")
	case !name.MatchString(*d.Family):
		return wrong("Family should match the pattern ^[a-zA-Z0-9_-]{1,255}$: %q does not.", *d.Family)
	case len(d.ContainerDefinitions) == 0:
		return wrong("Container list cannot be empty.")
	case len(d.ContainerDefinitions) > mostContainers:
		return wrong("Too many containers: a task definition has at most %d.", mostContainers)
	}
	for _, c := range d.RequiresCompatibilities {
		if !slices.Contains([]types.Compatibility{types.CompatibilityEc2, types.CompatibilityFargate, types.CompatibilityExternal}, c) {
			return wrong("Invalid compatibility %q: it is one of EC2, FARGATE and EXTERNAL.", c)
		}
	}
	if d.NetworkMode != "" && !slices.Contains(d.NetworkMode.Values(), d.NetworkMode) {
		return wrong("Invalid network mode %q: it is one of bridge, host, awsvpc and none.", d.NetworkMode)
	}
	if d.PidMode != "" && !slices.Contains(d.PidMode.Values(), d.PidMode) || d.IpcMode != "" && !slices.Contains(d.IpcMode.Values(), d.IpcMode) {
		return wrong("Invalid pidMode %q or ipcMode %q: they are host or task, and of ipcMode also none.", d.PidMode, d.IpcMode)
	}
	if isFargate(d) && (d.PidMode == types.PidModeHost || d.IpcMode != "") {
		return wrong("Fargate tasks can have the pidMode task only, and no ipcMode.")
	}
	return nil
}

// fillNetwork chooses the network mode that ECS takes when none is given.
func fillNetwork(d *types.TaskDefinition) error {
	if d.NetworkMode == "" && !isFargate(d) {
		// Shown as given, which is not at all: bridge is what then holds.
		return nil
	}
	if isFargate(d) && d.NetworkMode != types.NetworkModeAwsvpc {
		return wrong("Fargate only supports network mode ‘awsvpc’.")
	}
	return nil
}

// NetworkMode is the network mode that holds for a task definition.
func NetworkMode(d *types.TaskDefinition) types.NetworkMode {
	if d.NetworkMode == "" {
		return types.NetworkModeBridge
	}
	return d.NetworkMode
}

func isFargate(d *types.TaskDefinition) bool {
	return slices.Contains(d.RequiresCompatibilities, types.CompatibilityFargate)
}

func checkConstraints(d *types.TaskDefinition) error {
	if len(d.PlacementConstraints) > mostConstraints {
		return wrong("Too many placement constraints: a task definition has at most %d.", mostConstraints)
	}
	if isFargate(d) && len(d.PlacementConstraints) > 0 {
		return wrong("Fargate does not support placement constraints.")
	}
	for _, c := range d.PlacementConstraints {
		if c.Type != types.TaskDefinitionPlacementConstraintTypeMemberOf {
			return wrong("Invalid placement constraint type %q: a task definition can have memberOf only.", c.Type)
		}
		if _, err := query.Parse(deref(c.Expression)); err != nil {
			return wrong("Invalid expression in placement constraint: %v", err)
		}
	}
	return nil
}

// deref is what p points at, the zero value when it points nowhere.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func to[T any](v T) *T { return &v }
