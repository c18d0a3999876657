// Package rollout keeps what is recorded of a service's deployments in step: the
// scheduler's state, the deployments that DescribeServices shows, the revisions, and
// the service deployments. The API begins and gives up rollouts with it, and the
// scheduler records what has become of them.
package rollout

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/record"
	"drydock/deploy/schedule"
	"drydock/internal/arn"
	"drydock/storage/meta"
)

// RevisionARN is the ARN of a revision of a service, DeploymentARN that of a service
// deployment.
func RevisionARN(v record.Service, id string) string { return name(v, "service-revision", id) }

// DeploymentARN is the ARN of a service deployment.
func DeploymentARN(v record.Service, id string) string { return name(v, "service-deployment", id) }

func name(v record.Service, kind, id string) string {
	return arn.ARN{Service: "ecs", Region: v.Region, Account: v.Account, Resource: kind + "/" + v.Cluster + "/" + v.Name + "/" + id}.String()
}

// Current is the id of the service deployment that is, or was last, under way.
func Current(v record.Service) string {
	if a := v.Detail.Shown.CurrentServiceDeployment; a != nil {
		return (*a)[strings.LastIndex(*a, "/")+1:]
	}
	return ""
}

// Begin has a service become what a revision says, in a transaction: the revision and
// a service deployment are recorded, and one that is under way is given up. The caller
// then writes the service.
func Begin(ctx context.Context, q meta.Querier, v *record.Service, to types.ServiceRevision, random io.Reader, now time.Time) error {
	var b [24]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return fmt.Errorf("make the id of a deployment: %w", err)
	}
	// ECS's have nineteen digits.
	const least, span = 1e18, 8e18
	revision := strconv.FormatUint(least+binary.BigEndian.Uint64(b[:8])%span, 10)
	id := base64.RawURLEncoding.EncodeToString(b[8:])[:21]
	if err := Supersede(ctx, q, v, "The service deployment was stopped because a new one has started.", now); err != nil {
		return err
	}
	shown := &v.Detail.Shown
	to.ServiceArn, to.ClusterArn, to.CreatedAt = shown.ServiceArn, shown.ClusterArn, &now
	to.ServiceRevisionArn = ref(RevisionARN(*v, revision))
	r := record.ServiceRevision{Scope: v.Scope, Cluster: v.Cluster, Service: v.Name, ID: revision, CreatedAt: now.UnixMilli(), Detail: to}
	if err := record.AddServiceRevision(ctx, q, r); err != nil {
		return fmt.Errorf("record revision %s of service %s: %w", revision, v.Name, err)
	}
	detail := types.ServiceDeployment{
		ServiceDeploymentArn: ref(DeploymentARN(*v, id)), ServiceArn: shown.ServiceArn, ClusterArn: shown.ClusterArn, CreatedAt: &now, StartedAt: &now, UpdatedAt: &now,
		Status: types.ServiceDeploymentStatusInProgress, TargetServiceRevision: &types.ServiceRevisionSummary{Arn: to.ServiceRevisionArn},
		DeploymentConfiguration: shown.DeploymentConfiguration, SourceServiceRevisions: []types.ServiceRevisionSummary{},
	}
	for _, old := range v.Detail.State.Rollouts {
		detail.SourceServiceRevisions = append(detail.SourceServiceRevisions, types.ServiceRevisionSummary{Arn: ref(RevisionARN(*v, old.Revision))})
	}
	err := record.AddServiceDeployment(ctx, q, record.ServiceDeployment{
		Scope: v.Scope, Cluster: v.Cluster, Service: v.Name, ID: id, Status: string(detail.Status), CreatedAt: now.UnixMilli(), Detail: detail,
	})
	if err != nil {
		return fmt.Errorf("record deployment %s of service %s: %w", id, v.Name, err)
	}
	shown.CurrentServiceDeployment = detail.ServiceDeploymentArn
	v.Detail.State.Begin("ecs-svc/"+revision, revision)
	shown.Deployments = append([]types.Deployment{{
		Id: ref("ecs-svc/" + revision), TaskDefinition: to.TaskDefinition, CreatedAt: &now, UpdatedAt: &now, LaunchType: to.LaunchType,
		CapacityProviderStrategy: to.CapacityProviderStrategy, NetworkConfiguration: to.NetworkConfiguration,
		PlatformVersion: to.PlatformVersion, PlatformFamily: to.PlatformFamily,
	}}, shown.Deployments...)
	Show(v, now)
	var keep []string
	for _, r := range v.Detail.State.Rollouts {
		keep = append(keep, r.Revision)
	}
	if err := record.ForgetHistory(ctx, q, v.Scope, v.Cluster, v.Name, now.Add(-remembered).UnixMilli(), keep); err != nil {
		return fmt.Errorf("forget what service %s was long ago: %w", v.Name, err)
	}
	return nil
}

// remembered is for how long service deployments and revisions can be looked at.
// Source: Amazon ECS Developer Guide, "View service history using Amazon ECS service
// deployments".
const remembered = 90 * 24 * time.Hour

// Show brings the deployments of a service, and the revision that it shows itself by,
// in line with the scheduler's state.
func Show(v *record.Service, now time.Time) {
	shown := &v.Detail.Shown
	list := make([]types.Deployment, 0, len(v.Detail.State.Rollouts))
	for i, r := range v.Detail.State.Rollouts {
		at := slices.IndexFunc(shown.Deployments, func(d types.Deployment) bool { return *d.Id == r.ID })
		if at < 0 {
			continue // Begin adds one for each
		}
		d, before := shown.Deployments[at], shown.Deployments[at]
		d.Status, d.DesiredCount = ref("ACTIVE"), 0
		if i == 0 {
			d.Status, d.DesiredCount = ref("PRIMARY"), shown.DesiredCount
		}
		d.RolloutState, d.RolloutStateReason, d.FailedTasks = types.DeploymentRolloutState(r.Phase), ref(r.Reason), int32(r.Failed)
		if before.Status == nil || *before.Status != *d.Status || before.RolloutState != d.RolloutState || before.FailedTasks != d.FailedTasks || before.DesiredCount != d.DesiredCount {
			d.UpdatedAt = &now
		}
		list = append(list, d)
	}
	shown.Deployments = list
	if len(list) == 0 {
		return
	}
	first := list[0]
	shown.TaskDefinition, shown.LaunchType, shown.CapacityProviderStrategy = first.TaskDefinition, first.LaunchType, first.CapacityProviderStrategy
	shown.NetworkConfiguration, shown.PlatformVersion, shown.PlatformFamily = first.NetworkConfiguration, first.PlatformVersion, first.PlatformFamily
}

// Supersede gives up the service deployment that is under way, if there is one.
func Supersede(ctx context.Context, q meta.Querier, v *record.Service, reason string, now time.Time) error {
	return change(ctx, q, *v, func(d *types.ServiceDeployment) {
		d.Status, d.StatusReason, d.StoppedAt = types.ServiceDeploymentStatusStopped, &reason, &now
	}, now)
}

// Record records what has become of the service deployment that is under way.
func Record(ctx context.Context, q meta.Querier, v record.Service, now time.Time) error {
	if len(v.Detail.State.Rollouts) == 0 {
		return nil
	}
	r := v.Detail.State.Rollouts[0]
	return change(ctx, q, v, func(d *types.ServiceDeployment) { proceed(d, v, r, now) }, now)
}

// proceed brings a service deployment in line with the first rollout.
func proceed(d *types.ServiceDeployment, v record.Service, r schedule.Rollout, now time.Time) {
	if c := v.Detail.Shown.DeploymentConfiguration; c != nil && c.DeploymentCircuitBreaker != nil {
		d.DeploymentCircuitBreaker = breaker(v, r)
	}
	switch {
	case r.RollingBack && d.Rollback == nil:
		d.Status, d.StatusReason = types.ServiceDeploymentStatusRollbackInProgress, ref(r.Cause)
		d.Rollback = &types.Rollback{Reason: ref(r.Cause), ServiceRevisionArn: ref(RevisionARN(v, r.Revision)), StartedAt: &now}
	case r.Phase == schedule.Failed:
		d.Status, d.StatusReason, d.StoppedAt = types.ServiceDeploymentStatusStopped, ref(r.Reason), &now
	}
	if r.Phase == schedule.Completed {
		d.Status, d.FinishedAt = types.ServiceDeploymentStatusSuccessful, &now
		if d.Rollback != nil {
			d.Status = types.ServiceDeploymentStatusRollbackSuccessful
		}
	}
}

func breaker(v record.Service, r schedule.Rollout) *types.ServiceDeploymentCircuitBreaker {
	b := Breaker(v.Detail.Shown.DeploymentConfiguration)
	c := &types.ServiceDeploymentCircuitBreaker{Status: types.ServiceDeploymentRollbackMonitorsStatusDisabled}
	if !b.Enable {
		return c
	}
	c.FailureCount, c.Threshold = int32(r.Failed), int32(b.Threshold(int(v.Detail.Shown.DesiredCount)))
	switch {
	case r.Phase == schedule.Failed || r.RollingBack:
		c.Status = types.ServiceDeploymentRollbackMonitorsStatusTriggered
	case r.Phase == schedule.Completed:
		c.Status = types.ServiceDeploymentRollbackMonitorsStatusMonitoringComplete
	default:
		c.Status = types.ServiceDeploymentRollbackMonitorsStatusMonitoring
	}
	return c
}

// Breaker is the circuit breaker of a deployment configuration.
func Breaker(c *types.DeploymentConfiguration) (b schedule.Breaker) {
	if c == nil || c.DeploymentCircuitBreaker == nil {
		return b
	}
	d := c.DeploymentCircuitBreaker
	b.Enable, b.Rollback, b.Accumulate = d.Enable, d.Rollback, d.ResetOnHealthyTask != nil && !*d.ResetOnHealthyTask
	if t := d.ThresholdConfiguration; t != nil {
		b.Kind, b.Value = string(t.Type), int(t.Value)
	}
	return b
}

// change changes the service deployment that is under way, and writes it if it was.
func change(ctx context.Context, q meta.Querier, v record.Service, how func(*types.ServiceDeployment), now time.Time) error {
	id := Current(v)
	if id == "" {
		return nil
	}
	d, err := record.FindServiceDeployment(ctx, q, v.Scope, v.Cluster, v.Name, id)
	if errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find deployment %s of service %s: %w", id, v.Name, err)
	}
	if Over(d.Detail.Status) {
		return nil
	}
	before := d.Detail
	how(&d.Detail)
	same := before.Status == d.Detail.Status && deref(before.DeploymentCircuitBreaker) == deref(d.Detail.DeploymentCircuitBreaker)
	if same {
		return nil
	}
	d.Status, d.Detail.UpdatedAt = string(d.Detail.Status), &now
	if err := record.UpdateServiceDeployment(ctx, q, d); err != nil {
		return fmt.Errorf("record deployment %s of service %s: %w", id, v.Name, err)
	}
	return nil
}

// Over reports whether a service deployment in that state will not change any more.
func Over(s types.ServiceDeploymentStatus) bool {
	switch s {
	case types.ServiceDeploymentStatusPending, types.ServiceDeploymentStatusInProgress, types.ServiceDeploymentStatusStopRequested,
		types.ServiceDeploymentStatusRollbackRequested, types.ServiceDeploymentStatusRollbackInProgress:
		return false
	}
	return true
}

func ref[T any](v T) *T { return &v }

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
