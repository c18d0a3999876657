package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/machine"
	"drydock/deploy/record"
	"drydock/internal/arn"
	"drydock/storage/meta"
)

// register makes the machine a container instance, or finds which one it is, and
// records what it has to offer now.
func (r *Reconciler) register(ctx context.Context) error {
	d, err := r.machine.Describe(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.id = d.ID
	r.mu.Unlock()
	err = r.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		i, err := record.InstanceOf(ctx, q, d.ID)
		switch {
		case errors.Is(err, meta.ErrNotFound):
			return r.settle(ctx, q, d)
		case err != nil:
			return err
		}
		describe(&i, d)
		return r.put(ctx, q, i)
	})
	if err == nil {
		r.o.Woken()
	}
	return err
}

// put writes a container instance that has changed, and has the services of its
// cluster looked at, for there may be other room now.
func (r *Reconciler) put(ctx context.Context, q meta.Querier, i record.Instance) error {
	if err := record.UpdateInstance(ctx, q, i); err != nil {
		return err
	}
	return record.WakeAll(ctx, q, i.Scope, i.Cluster, r.o.Now().UnixMilli())
}

// settle registers a machine that is new, in its home.
func (r *Reconciler) settle(ctx context.Context, q meta.Querier, d machine.Description) error {
	h := r.o.Home
	name := func(kind, rest string) *string {
		s := arn.ARN{Service: "ecs", Region: h.Region, Account: h.Account, Resource: kind + "/" + rest}.String()
		return &s
	}
	c, err := record.FindCluster(ctx, q, h.Scope, h.Cluster)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		disabled := "disabled"
		err = record.AddCluster(ctx, q, record.Cluster{Scope: h.Scope, Name: h.Cluster, Status: "ACTIVE", Detail: types.Cluster{
			ClusterName: &h.Cluster, ClusterArn: name("cluster", h.Cluster), CapacityProviders: []string{"FARGATE", "FARGATE_SPOT"},
			Settings: []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: &disabled}},
		}})
	case err == nil && c.Status != "ACTIVE":
		c.Status = "ACTIVE"
		err = record.UpdateCluster(ctx, q, c)
	}
	if err != nil {
		return fmt.Errorf("make cluster %s: %w", h.Cluster, err)
	}
	id, err := r.o.NewID()
	if err != nil {
		return err
	}
	now := r.o.Now()
	i := record.Instance{Scope: h.Scope, Cluster: h.Cluster, ID: id, Machine: d.ID, Status: "ACTIVE"}
	i.Detail.Shown = types.ContainerInstance{ContainerInstanceArn: name("container-instance", h.Cluster+"/"+id), Ec2InstanceId: &d.ID, RegisteredAt: &now}
	describe(&i, d)
	if err := record.AddInstance(ctx, q, i); err != nil {
		return err
	}
	return record.WakeAll(ctx, q, i.Scope, i.Cluster, now.UnixMilli())
}

// describe takes what a machine says of itself into its container instance. Its own
// attributes replace those that it had; the user's stay.
func describe(i *record.Instance, d machine.Description) {
	v := &i.Detail.Shown
	v.Attributes = slices.DeleteFunc(v.Attributes, func(a types.Attribute) bool {
		_, before := i.Detail.Described.Attributes[*a.Name]
		_, now := d.Attributes[*a.Name]
		return before || now
	})
	for _, n := range slices.Sorted(maps.Keys(d.Attributes)) {
		a := types.Attribute{Name: &n}
		if value := d.Attributes[n]; value != "" {
			a.Value = &value
		}
		v.Attributes = append(v.Attributes, a)
	}
	v.VersionInfo = &types.VersionInfo{AgentVersion: &d.AgentVersion, DockerVersion: &d.EngineVersion}
	v.AgentConnected, v.Version = true, v.Version+1
	i.Detail.Described = d
}

// connected records whether the machine can be reached.
func (r *Reconciler) connected(ctx context.Context, is bool) {
	err := r.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		i, err := record.InstanceOf(ctx, q, r.id)
		if errors.Is(err, meta.ErrNotFound) || err == nil && i.Detail.Shown.AgentConnected == is {
			return nil
		}
		if err != nil {
			return err
		}
		i.Detail.Shown.AgentConnected = is
		return r.put(ctx, q, i)
	})
	if err != nil && !errors.Is(err, meta.ErrClosed) {
		r.o.Log.WarnContext(ctx, "it could not be recorded whether a machine can be reached", "machine", r.id, "error", err)
	}
}
