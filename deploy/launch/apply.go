package launch

import (
	"reflect"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/machine"
	"drydock/deploy/record"
)

// Apply takes what a machine tells of a task into its record, and reports whether
// that changed anything. States do not go back: what was told late is not taken in.
func Apply(t *record.Task, st machine.State, now time.Time) bool {
	before := machine.Status(t.Status)
	if before == machine.Stopped || st.Status.Before(before) {
		return false
	}
	changed := st.Status != before
	v := &t.Detail.Shown
	t.Status = string(st.Status)
	for _, at := range []struct {
		field **time.Time
		told  time.Time
	}{
		{&v.PullStartedAt, st.PullStarted}, {&v.PullStoppedAt, st.PullStopped}, {&v.StartedAt, st.Started},
		{&v.StoppingAt, st.Stopping}, {&v.ExecutionStoppedAt, st.ExecutionStopped}, {&v.StoppedAt, st.StoppedAt},
	} {
		if *at.field == nil && !at.told.IsZero() {
			*at.field, changed = to(at.told), true
		}
	}
	if st.Health != "" && types.HealthStatus(st.Health) != v.HealthStatus {
		v.HealthStatus, changed = types.HealthStatus(st.Health), true
	}
	if st.Address != "" && len(v.Attachments) == 0 {
		v.Attachments, changed = []types.Attachment{attachment(t, st)}, true
	}
	for _, c := range st.Containers {
		i := slices.IndexFunc(v.Containers, func(x types.Container) bool { return deref(x.Name) == c.Name })
		if i >= 0 && applyContainer(&v.Containers[i], c, st) {
			changed = true
		}
		if i >= 0 && v.EnableExecuteCommand && !c.Started.IsZero() {
			v.Containers[i].ManagedAgents = agents(c)
		}
	}
	if st.Status == machine.Stopping || st.Status == machine.Deprovisioning || st.Status == machine.Stopped {
		t.Desired = string(machine.Stopped)
	}
	if st.Status == machine.Stopped {
		stop(t, st, now)
	}
	if changed {
		v.Version++
	}
	return changed
}

// stop ends a task's record. The reason of whoever asked for it to stop goes before
// what the machine says, for the machine only says what it did.
func stop(t *record.Task, st machine.State, now time.Time) {
	v := &t.Detail.Shown
	if v.StoppedAt == nil {
		v.StoppedAt = &now
	}
	t.StoppedAt = v.StoppedAt.UnixMilli()
	code, reason := t.Detail.StopCode, t.Detail.StopReason
	if code == "" && reason == "" {
		code, reason = st.StopCode, st.Reason
	}
	if code != "" {
		v.StopCode = types.TaskStopCode(code)
	}
	if reason != "" {
		v.StoppedReason = &reason
	}
	for i := range v.Containers {
		v.Containers[i].LastStatus = to(string(machine.Stopped))
	}
}

// agents show that commands can be run in a container, as ECS shows the agent that it
// has there for them.
func agents(c machine.ContainerState) []types.ManagedAgent {
	return []types.ManagedAgent{{Name: types.ManagedAgentNameExecuteCommandAgent, LastStatus: to(string(c.Status)), LastStartedAt: to(c.Started)}}
}

func applyContainer(v *types.Container, c machine.ContainerState, st machine.State) bool {
	changed := false
	set := func(field **string, told string) {
		if told != "" && deref(*field) != told {
			*field, changed = to(told), true
		}
	}
	if !c.Status.Before(machine.Status(deref(v.LastStatus))) {
		set(&v.LastStatus, string(c.Status))
	}
	set(&v.RuntimeId, c.RuntimeID)
	set(&v.ImageDigest, c.ImageDigest)
	set(&v.Reason, c.Reason)
	if c.ExitCode != nil && (v.ExitCode == nil || *v.ExitCode != int32(*c.ExitCode)) {
		v.ExitCode, changed = to(int32(*c.ExitCode)), true
	}
	if c.Health != "" && v.HealthStatus != types.HealthStatus(c.Health) {
		v.HealthStatus, changed = types.HealthStatus(c.Health), true
	}
	// A container that has stopped shows the ports that it had; one that was restarted
	// may have others.
	if list := bindings(c.Bindings); len(list) > 0 && !reflect.DeepEqual(v.NetworkBindings, list) {
		v.NetworkBindings, changed = list, true
	}
	if st.Address != "" && len(v.NetworkInterfaces) == 0 {
		v.NetworkInterfaces, changed = []types.NetworkInterface{{AttachmentId: to(attachmentID(st.ARN)), PrivateIpv4Address: to(st.Address)}}, true
	}
	return changed
}

func bindings(told []machine.Binding) (list []types.NetworkBinding) {
	for _, b := range told {
		n := types.NetworkBinding{BindIP: to(b.BindIP), Protocol: types.TransportProtocol(b.Protocol)}
		if b.ContainerPortRange != "" {
			n.ContainerPortRange, n.HostPortRange = to(b.ContainerPortRange), to(b.HostPortRange)
		} else {
			n.ContainerPort, n.HostPort = to(b.ContainerPort), to(b.HostPort)
		}
		list = append(list, n)
	}
	return list
}

// attachmentID is that of a task's network interface. It follows from the task's id,
// for a task has one at most.
func attachmentID(taskARN string) string {
	id := taskARN[max(0, len(taskARN)-32):]
	if len(id) < 32 {
		return id
	}
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

// attachment shows a task's own address as ECS shows an elastic network interface.
func attachment(t *record.Task, st machine.State) types.Attachment {
	pair := func(name, value string) types.KeyValuePair {
		return types.KeyValuePair{Name: to(name), Value: to(value)}
	}
	subnet := "subnet-drydock"
	return types.Attachment{
		Id: to(attachmentID(t.Detail.Spec.ARN)), Type: to("ElasticNetworkInterface"), Status: to("ATTACHED"),
		Details: []types.KeyValuePair{pair("subnetId", subnet), pair("macAddress", st.MAC), pair("privateIPv4Address", st.Address)},
	}
}

// Stop asks for a task to stop, and reports whether that was not asked for before.
func Stop(t *record.Task, code machine.StopCode, reason string, now time.Time) bool {
	if t.StoppedAt > 0 || t.Desired == string(machine.Stopped) {
		return false
	}
	t.Desired = string(machine.Stopped)
	t.Detail.StopCode, t.Detail.StopReason = code, reason
	v := &t.Detail.Shown
	v.StopCode, v.StoppedReason, v.StoppingAt = types.TaskStopCode(code), &reason, &now
	v.Version++
	return true
}
