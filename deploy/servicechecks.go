package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/placement"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

// mostDesired is the highest desired count.
// Source: Amazon ECS service quotas, "Tasks per service".
const mostDesired = 5000

// unbuiltService refuses what nothing here would obey.
func unbuiltService(in *ecs.CreateServiceInput) error {
	if deref(in.Role) != "" {
		return unsupported("There are no load balancers here: leave role out.")
	}
	if c := in.DeploymentController; c != nil && c.Type != "" && c.Type != types.DeploymentControllerTypeEcs {
		return unsupported("The only deployment controller here is ECS, not %s.", c.Type)
	}
	return unbuiltParts(len(in.LoadBalancers), len(in.ServiceRegistries), in.ServiceConnectConfiguration, len(in.VolumeConfigurations), len(in.VpcLatticeConfigurations),
		len(in.GatewayConnectors), in.Monitoring)
}

func unbuiltUpdate(in *ecs.UpdateServiceInput) error {
	if c := in.DeploymentController; c != nil && c.Type != "" && c.Type != types.DeploymentControllerTypeEcs {
		return unsupported("The only deployment controller here is ECS, not %s.", c.Type)
	}
	return unbuiltParts(len(in.LoadBalancers), len(in.ServiceRegistries), in.ServiceConnectConfiguration, len(in.VolumeConfigurations), len(in.VpcLatticeConfigurations),
		len(in.GatewayConnectors), in.Monitoring)
}

func unbuiltParts(balancers, registries int, connect *types.ServiceConnectConfiguration, volumes, lattices, gateways int, monitoring *types.MonitoringConfiguration) error {
	switch {
	case balancers > 0:
		return unsupported("There are no load balancers here: leave loadBalancers out.")
	case registries > 0:
		return unsupported("There is no service discovery here: leave serviceRegistries out.")
	case connect != nil && connect.Enabled:
		return unsupported("There is no Service Connect here: leave serviceConnectConfiguration out.")
	case volumes > 0:
		return unsupported("There is no block store here: leave volumeConfigurations out.")
	case lattices > 0:
		return unsupported("There is no VPC Lattice here: leave vpcLatticeConfigurations out.")
	case gateways > 0:
		return unsupported("There are no gateways here: leave gatewayConnectors out.")
	case monitoring != nil:
		return unsupported("There is no monitoring of services here: leave monitoring out.")
	}
	return nil
}

// newService is the service that a request describes, without its revision.
func (s *Service) newService(ctx context.Context, q meta.Querier, in *ecs.CreateServiceInput) (v record.Service, err error) {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, in.Cluster)
	if err != nil {
		return v, err
	}
	if _, err := activeCluster(ctx, q, scope, c); err != nil {
		return v, err
	}
	now := s.now()
	v = record.Service{Scope: scope, Cluster: c, Name: *in.ServiceName, Status: "ACTIVE"}
	d := &v.Detail.Shown
	*d = types.Service{
		ServiceName: in.ServiceName, ServiceArn: to(serviceARN(scope, c, v.Name)), ClusterArn: to(clusterARN(scope, c)), CreatedAt: &now,
		CreatedBy: to(awsapi.CallFrom(ctx).Principal.ARN), DeploymentController: &types.DeploymentController{Type: types.DeploymentControllerTypeEcs},
		SchedulingStrategy: in.SchedulingStrategy, EnableECSManagedTags: in.EnableECSManagedTags, EnableExecuteCommand: in.EnableExecuteCommand,
		HealthCheckGracePeriodSeconds: in.HealthCheckGracePeriodSeconds, PropagateTags: in.PropagateTags,
		PlacementConstraints: in.PlacementConstraints, PlacementStrategy: in.PlacementStrategy, AvailabilityZoneRebalancing: in.AvailabilityZoneRebalancing,
	}
	if d.PropagateTags == "" {
		d.PropagateTags = types.PropagateTagsNone
	}
	switch d.SchedulingStrategy {
	case "":
		d.SchedulingStrategy = types.SchedulingStrategyReplica
		fallthrough
	case types.SchedulingStrategyReplica:
		if in.DesiredCount == nil {
			return v, invalidParameter("The replica scheduling strategy requires a desired count.")
		}
	case types.SchedulingStrategyDaemon:
		if in.DesiredCount != nil {
			return v, invalidParameter("The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again.")
		}
	}
	d.DesiredCount = deref(in.DesiredCount)
	if err := configure(d, in.DeploymentConfiguration); err != nil {
		return v, err
	}
	return v, checkService(d, in.AvailabilityZoneRebalancing)
}

// configure changes the deployment configuration of a service, and fills in what it
// does not say.
func configure(d *types.Service, in *types.DeploymentConfiguration) error {
	daemon := d.SchedulingStrategy == types.SchedulingStrategyDaemon
	if d.DeploymentConfiguration == nil {
		d.DeploymentConfiguration = &types.DeploymentConfiguration{
			MaximumPercent: to(int32(200)), MinimumHealthyPercent: to(int32(100)), Strategy: types.DeploymentStrategyRolling,
			DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{},
		}
		if daemon {
			d.DeploymentConfiguration.MaximumPercent, d.DeploymentConfiguration.MinimumHealthyPercent = to(int32(100)), to(int32(0))
		}
	}
	if in == nil {
		return nil
	}
	if (in.Strategy != "" && in.Strategy != types.DeploymentStrategyRolling) || in.CanaryConfiguration != nil || in.LinearConfiguration != nil || deref(in.BakeTimeInMinutes) > 0 {
		return unsupported("The only deployment strategy here is ROLLING, without bake time.")
	}
	if in.Alarms != nil && in.Alarms.Enable {
		return unsupported("There are no CloudWatch alarms here: leave alarms out of deploymentConfiguration.")
	}
	if len(in.LifecycleHooks) > 0 {
		return unsupported("Deployments have no lifecycle hooks here: leave lifecycleHooks out.")
	}
	if in.EarlySuccessCriteria != nil && in.EarlySuccessCriteria.Enable {
		return unsupported("Deployments succeed when all tasks are healthy: leave earlySuccessCriteria out.")
	}
	c := *d.DeploymentConfiguration
	if in.MaximumPercent != nil {
		c.MaximumPercent = in.MaximumPercent
	}
	if in.MinimumHealthyPercent != nil {
		c.MinimumHealthyPercent = in.MinimumHealthyPercent
	}
	if in.DeploymentCircuitBreaker != nil {
		c.DeploymentCircuitBreaker = in.DeploymentCircuitBreaker
		if t := in.DeploymentCircuitBreaker.ThresholdConfiguration; t != nil && t.Value < 1 {
			return invalidParameter("The value of thresholdConfiguration must be at least 1.")
		}
	}
	d.DeploymentConfiguration = &c
	return nil
}

// checkService checks that what is said of a service goes together. asked is what the
// request says of availability zones: without it, they are balanced if they can be.
func checkService(d *types.Service, asked types.AvailabilityZoneRebalancing) error {
	if d.DesiredCount < 0 || d.DesiredCount > mostDesired {
		return invalidParameter("The desired count must be between 0 and %d.", mostDesired)
	}
	least, most := *d.DeploymentConfiguration.MinimumHealthyPercent, *d.DeploymentConfiguration.MaximumPercent
	daemon := d.SchedulingStrategy == types.SchedulingStrategyDaemon
	switch {
	case least < 0 || least > 100:
		return invalidParameter("minimumHealthyPercent must be between 0 and 100.")
	case daemon && most != 100:
		return invalidParameter("The daemon scheduling strategy does not support values above 100 for maximumPercent. Change the value to 100, and try again.")
	case most < 100 || most > 200*100:
		return invalidParameter("maximumPercent must be at least 100.")
	case least == 100 && most == 100:
		return invalidParameter("Both values for minimumHealthyPercent and maximumPercent cannot be 100 as this will block deployments.")
	case daemon && len(d.PlacementStrategy) > 0:
		return invalidParameter("The daemon scheduling strategy does not support placement strategies.")
	case deref(d.HealthCheckGracePeriodSeconds) < 0:
		return invalidParameter("healthCheckGracePeriodSeconds must not be negative.")
	}
	if _, err := constraintsOf(d.PlacementConstraints); err != nil {
		return err
	}
	if daemon && slices.ContainsFunc(d.PlacementConstraints, func(c types.PlacementConstraint) bool { return c.Type == types.PlacementConstraintTypeDistinctInstance }) {
		return invalidParameter("The daemon scheduling strategy does not support the distinctInstance placement constraint.")
	}
	strategies, err := strategiesOf(d.PlacementStrategy)
	if err != nil {
		return err
	}
	able := !daemon && most > 100 && placement.SpreadsZonesFirst(strategies)
	switch {
	case d.AvailabilityZoneRebalancing == "" && able:
		d.AvailabilityZoneRebalancing = types.AvailabilityZoneRebalancingEnabled
	case asked == types.AvailabilityZoneRebalancingEnabled && !able:
		return invalidParameter("Availability Zone rebalancing needs the replica scheduling strategy, a maximumPercent above 100, and no placement strategy or one that spreads over attribute:ecs.availability-zone first.")
	case !able:
		d.AvailabilityZoneRebalancing = types.AvailabilityZoneRebalancingDisabled
	}
	return nil
}

// sameService finds the service of that name. One that an earlier request with the
// same token has made is the answer to this; another that is active or ends is in the
// way.
func (s *Service) sameService(ctx context.Context, q meta.Querier, in *ecs.CreateServiceInput, made record.Service) (v record.Service, err error) {
	print, err := fingerprint(in)
	if err != nil {
		return v, err
	}
	token := deref(in.ClientToken)
	v, err = record.FindService(ctx, q, made.Scope, made.Cluster, made.Name)
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return v, fmt.Errorf("find service %s: %w", made.Name, err)
	}
	exists := err == nil
	if token != "" {
		found, err := record.FindClientToken(ctx, q, made.Scope, "CreateService", token, s.millis())
		switch {
		case err == nil && found.Fingerprint != print:
			return v, invalidParameter("Creation of service was not idempotent.")
		case err == nil && exists && v.Status == "ACTIVE":
			return v, nil
		case err != nil && !errors.Is(err, meta.ErrNotFound):
			return v, fmt.Errorf("find a client token: %w", err)
		}
	}
	switch {
	case exists && v.Status == "ACTIVE":
		return v, invalidParameter("Creation of service was not idempotent.")
	case exists && v.Status == "DRAINING":
		return v, invalidParameter("Unable to Start a service that is still Draining.")
	}
	if token == "" {
		return record.Service{}, nil
	}
	err = record.AddClientToken(ctx, q, record.ClientToken{
		Scope: made.Scope, Operation: "CreateService", Token: token, Fingerprint: print, Result: *made.Detail.Shown.ServiceArn, ExpiresAt: s.now().Add(tokensLast).UnixMilli(),
	}, s.millis())
	if errors.Is(err, meta.ErrExists) {
		err = nil // what it made has ended since
	}
	return record.Service{}, err
}

func fingerprint(in any) (string, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return "", fmt.Errorf("tell requests apart: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(body)), nil
}

// update takes in what a request says beside what the tasks are made of.
func (s *Service) update(v *record.Service, in *ecs.UpdateServiceInput) error {
	d := &v.Detail.Shown
	if in.DesiredCount != nil {
		if d.SchedulingStrategy == types.SchedulingStrategyDaemon {
			return invalidParameter("The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again.")
		}
		d.DesiredCount = *in.DesiredCount
	}
	if in.AvailabilityZoneRebalancing != "" {
		d.AvailabilityZoneRebalancing = in.AvailabilityZoneRebalancing
	}
	if in.EnableECSManagedTags != nil {
		d.EnableECSManagedTags = *in.EnableECSManagedTags
	}
	if in.EnableExecuteCommand != nil {
		d.EnableExecuteCommand = *in.EnableExecuteCommand
	}
	if in.HealthCheckGracePeriodSeconds != nil {
		d.HealthCheckGracePeriodSeconds = in.HealthCheckGracePeriodSeconds
	}
	if in.PlacementConstraints != nil {
		d.PlacementConstraints = in.PlacementConstraints
	}
	if in.PlacementStrategy != nil {
		d.PlacementStrategy = in.PlacementStrategy
	}
	if in.PropagateTags != "" {
		d.PropagateTags = in.PropagateTags
	}
	if err := configure(d, in.DeploymentConfiguration); err != nil {
		return err
	}
	return checkService(d, in.AvailabilityZoneRebalancing)
}

// revisionChange is what tells one revision of a service from another.
type revisionChange struct {
	definition, platform *string
	launchType           types.LaunchType
	capacity             []types.CapacityProviderStrategyItem
	network              *types.NetworkConfiguration
}

// revision is a revision of a service, checked as a task of it would be.
func (s *Service) revision(ctx context.Context, q meta.Querier, v *record.Service, r revisionChange) (made types.ServiceRevision, err error) {
	if deref(r.definition) == "" {
		return made, invalidParameter("TaskDefinition can not be blank.")
	}
	d := v.Detail.Shown
	p, err := s.prepare(ctx, q, running{
		cluster: d.ClusterArn, definition: r.definition, network: r.network, launchType: r.launchType, capacity: r.capacity, platform: r.platform,
		placed: len(d.PlacementConstraints)+len(d.PlacementStrategy) > 0, exec: d.EnableExecuteCommand,
	})
	if err != nil {
		return made, err
	}
	if p.LaunchType == types.LaunchTypeFargate && d.SchedulingStrategy == types.SchedulingStrategyDaemon {
		return made, invalidParameter("The daemon scheduling strategy does not support the Fargate launch type for services. Change the launch type and try again.")
	}
	made = types.ServiceRevision{TaskDefinition: p.Definition.TaskDefinitionArn, NetworkConfiguration: r.network}
	switch {
	case len(r.capacity) > 0:
		made.CapacityProviderStrategy = r.capacity
	case p.CapacityProvider != "": // the cluster's default
		c, err := record.FindCluster(ctx, q, v.Scope, v.Cluster)
		if err != nil {
			return made, fmt.Errorf("find cluster %s: %w", v.Cluster, err)
		}
		made.CapacityProviderStrategy = c.Detail.DefaultCapacityProviderStrategy
	default:
		made.LaunchType = p.LaunchType
	}
	if p.LaunchType == types.LaunchTypeFargate {
		made.PlatformVersion, made.PlatformFamily = r.platform, to("Linux")
		if deref(r.platform) == "" {
			made.PlatformVersion = to("LATEST")
		}
	}
	for _, c := range p.Containers {
		made.ContainerImages = append(made.ContainerImages, types.ContainerImage{ContainerName: c.Name, Image: c.Image})
	}
	return made, nil
}

// differs reports whether a revision is another than the one that a service has.
func differs(v types.Service, r types.ServiceRevision) bool {
	same := func(a, b any) bool { return reflect.DeepEqual(a, b) }
	return deref(v.TaskDefinition) != deref(r.TaskDefinition) || !same(v.NetworkConfiguration, r.NetworkConfiguration) ||
		deref(v.PlatformVersion) != deref(r.PlatformVersion) || v.LaunchType != r.LaunchType ||
		len(v.CapacityProviderStrategy)+len(r.CapacityProviderStrategy) > 0 && !same(v.CapacityProviderStrategy, r.CapacityProviderStrategy)
}
