package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/machine"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

func (s *Service) clusterOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateCluster", s.CreateCluster, needsCreateCluster),
		awsapi.Op("DescribeClusters", s.DescribeClusters, needsDescribeClusters),
		awsapi.Op("ListClusters", s.ListClusters, func(ctx context.Context, _ *ecs.ListClustersInput) ([]awsapi.Need, error) {
			return []awsapi.Need{need(ctx, "ecs:ListClusters", "*")}, nil
		}),
		awsapi.Op("DeleteCluster", s.DeleteCluster, func(ctx context.Context, in *ecs.DeleteClusterInput) ([]awsapi.Need, error) {
			return needsOnCluster(ctx, "ecs:DeleteCluster", in.Cluster)
		}),
		awsapi.Op("UpdateCluster", s.UpdateCluster, func(ctx context.Context, in *ecs.UpdateClusterInput) ([]awsapi.Need, error) {
			return needsOnCluster(ctx, "ecs:UpdateCluster", in.Cluster)
		}),
		awsapi.Op("UpdateClusterSettings", s.UpdateClusterSettings, func(ctx context.Context, in *ecs.UpdateClusterSettingsInput) ([]awsapi.Need, error) {
			return needsOnCluster(ctx, "ecs:UpdateClusterSettings", in.Cluster)
		}),
		awsapi.Op("PutClusterCapacityProviders", s.PutClusterCapacityProviders, func(ctx context.Context, in *ecs.PutClusterCapacityProvidersInput) ([]awsapi.Need, error) {
			return needsOnCluster(ctx, "ecs:PutClusterCapacityProviders", in.Cluster)
		}),
	}
}

func needsOnCluster(ctx context.Context, action string, given *string) ([]awsapi.Need, error) {
	c, err := clusterOf(ctx, given)
	if err != nil {
		return nil, err
	}
	return []awsapi.Need{need(ctx, action, clusterARN(scopeOf(ctx), c))}, nil
}

// CreateCluster makes a cluster. One that is active already is answered as it is.
func (s *Service) CreateCluster(ctx context.Context, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	cluster := deref(in.ClusterName)
	if cluster == "" {
		cluster = defaultCluster
	}
	if !name.MatchString(cluster) {
		return nil, invalidParameter("Cluster name should match regex ^[a-zA-Z0-9\\-_]{1,255}$.")
	}
	scope := scopeOf(ctx)
	detail := types.Cluster{ClusterName: &cluster, ClusterArn: to(clusterARN(scope, cluster)), Settings: defaultClusterSettings()}
	change := clusterChange{in.Settings, in.Configuration, in.ServiceConnectDefaults}
	if err := change.apply(&detail); err != nil {
		return nil, err
	}
	tags, err := checkTags(in.Tags)
	if err != nil {
		return nil, err
	}
	var made record.Cluster
	err = s.write(ctx, func(q meta.Querier) error {
		if err := s.setCapacity(ctx, q, scope, &detail, in.CapacityProviders, in.DefaultCapacityProviderStrategy); err != nil {
			return err
		}
		found, err := record.FindCluster(ctx, q, scope, cluster)
		switch {
		case errors.Is(err, meta.ErrNotFound):
			made = record.Cluster{Scope: scope, Name: cluster, Status: "ACTIVE", Detail: detail}
			err = record.AddCluster(ctx, q, made)
		case err == nil && found.Status == "ACTIVE":
			made = found
			return nil
		case err == nil:
			found.Status, found.Detail = "ACTIVE", detail
			made = found
			err = record.UpdateCluster(ctx, q, found)
		}
		if err != nil {
			return fmt.Errorf("create cluster %s: %w", cluster, err)
		}
		return putTags(ctx, q, clusterARN(scope, cluster), tags)
	})
	if err != nil {
		return nil, err
	}
	shown, err := s.showCluster(ctx, made, []types.ClusterField{types.ClusterFieldSettings, types.ClusterFieldConfigurations, types.ClusterFieldTags})
	return &ecs.CreateClusterOutput{Cluster: shown}, err
}

func needsCreateCluster(ctx context.Context, in *ecs.CreateClusterInput) ([]awsapi.Need, error) {
	cluster := deref(in.ClusterName)
	if cluster == "" {
		cluster = defaultCluster
	}
	arn := clusterARN(scopeOf(ctx), cluster)
	create := need(ctx, "ecs:CreateCluster", "*")
	create.Keys = tagKeys(in.Tags)
	return append([]awsapi.Need{create}, needsTagging(ctx, arn, in.Tags, "CreateCluster")...), nil
}

func defaultClusterSettings() []types.ClusterSetting {
	return []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: to("disabled")}}
}

// clusterChange is what a request sets of a cluster; nil leaves it.
type clusterChange struct {
	settings      []types.ClusterSetting
	configuration *types.ClusterConfiguration
	connect       *types.ClusterServiceConnectDefaultsRequest
}

// apply changes a cluster. A setting that nothing here would obey is refused.
func (c clusterChange) apply(d *types.Cluster) error {
	for _, v := range c.settings {
		if v.Name != types.ClusterSettingNameContainerInsights {
			return invalidParameter("Invalid cluster setting name %q.", v.Name)
		}
		switch deref(v.Value) {
		case "disabled":
		case "enabled", "enhanced":
			return unsupported("There is no Container Insights here: leave containerInsights disabled and read the server's own metrics.")
		default:
			return invalidParameter("Invalid value for containerInsights: %q.", deref(v.Value))
		}
	}
	if c.connect != nil && deref(c.connect.Namespace) != "" {
		return unsupported("There is no Service Connect here: leave serviceConnectDefaults out.")
	}
	if c.configuration == nil {
		return nil
	}
	if m := c.configuration.ManagedStorageConfiguration; m != nil && (deref(m.KmsKeyId) != "" || deref(m.FargateEphemeralStorageKmsKeyId) != "") {
		return unsupported("There is no KMS here: leave managedStorageConfiguration out.")
	}
	if e := c.configuration.ExecuteCommandConfiguration; e != nil {
		if deref(e.KmsKeyId) != "" {
			return unsupported("There is no KMS here: leave kmsKeyId out of executeCommandConfiguration.")
		}
		if e.Logging == types.ExecuteCommandLoggingOverride || e.LogConfiguration != nil {
			return unsupported("The sessions of ExecuteCommand are not logged: only the logging NONE and DEFAULT exist here.")
		}
		d.Configuration = &types.ClusterConfiguration{ExecuteCommandConfiguration: &types.ExecuteCommandConfiguration{Logging: e.Logging}}
	}
	return nil
}

// DescribeClusters describes clusters by name or ARN, and "default" when none is
// named. Those that do not exist are failures.
func (s *Service) DescribeClusters(ctx context.Context, in *ecs.DescribeClustersInput) (*ecs.DescribeClustersOutput, error) {
	given := in.Clusters
	if len(given) == 0 {
		given = []string{defaultCluster}
	}
	if len(given) > mostResults {
		return nil, invalidParameter("Clusters cannot have more than %d elements", mostResults)
	}
	out := &ecs.DescribeClustersOutput{Clusters: []types.Cluster{}, Failures: []types.Failure{}}
	scope := scopeOf(ctx)
	for _, g := range given {
		cluster, err := clusterOf(ctx, &g)
		if err != nil {
			return nil, err
		}
		c, err := record.FindCluster(ctx, s.reader(), scope, cluster)
		if errors.Is(err, meta.ErrNotFound) {
			out.Failures = append(out.Failures, types.Failure{Arn: to(clusterARN(scope, cluster)), Reason: to("MISSING")})
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find cluster %s: %w", cluster, err)
		}
		shown, err := s.showCluster(ctx, c, in.Include)
		if err != nil {
			return nil, err
		}
		out.Clusters = append(out.Clusters, *shown)
	}
	return out, nil
}

func needsDescribeClusters(ctx context.Context, in *ecs.DescribeClustersInput) ([]awsapi.Need, error) {
	given := in.Clusters
	if len(given) == 0 {
		given = []string{defaultCluster}
	}
	var needs []awsapi.Need
	for _, g := range given {
		n, err := needsOnCluster(ctx, "ecs:DescribeClusters", &g)
		if err != nil {
			return nil, err
		}
		needs = append(needs, n...)
	}
	return needs, nil
}

// showCluster is a cluster as ECS shows it: counted anew, with what is asked for.
func (s *Service) showCluster(ctx context.Context, c record.Cluster, include []types.ClusterField) (*types.Cluster, error) {
	d, q := c.Detail, s.reader()
	d.Status = &c.Status
	d.Statistics, d.Tags, d.Attachments = []types.KeyValuePair{}, []types.Tag{}, nil
	counts, err := record.CountCluster(ctx, q, c.Scope, c.Name)
	if err != nil {
		return nil, fmt.Errorf("count what cluster %s has: %w", c.Name, err)
	}
	d.RegisteredContainerInstancesCount, d.ActiveServicesCount = int32(counts.Instances), int32(counts.Services)
	for _, t := range counts.Tasks {
		switch t.Status {
		case string(machine.Running):
			d.RunningTasksCount += int32(t.N)
		case string(machine.Provisioning), string(machine.Pending), string(machine.Activating):
			d.PendingTasksCount += int32(t.N)
		}
	}
	if !slices.Contains(include, types.ClusterFieldSettings) {
		d.Settings = []types.ClusterSetting{}
	}
	if !slices.Contains(include, types.ClusterFieldConfigurations) {
		d.Configuration = nil
	}
	if slices.Contains(include, types.ClusterFieldStatistics) {
		d.Statistics = statistics(counts)
	}
	if slices.Contains(include, types.ClusterFieldTags) {
		if d.Tags, err = s.tags(ctx, clusterARN(c.Scope, c.Name)); err != nil {
			return nil, err
		}
	}
	return &d, nil
}

// statistics tells the counts apart by launch type, as ECS names them.
func statistics(c record.ClusterCounts) []types.KeyValuePair {
	n := map[string]int{}
	for _, t := range c.Tasks {
		kind := map[string]string{"EC2": "EC2", "FARGATE": "Fargate", "EXTERNAL": "External"}[t.LaunchType]
		switch t.Status {
		case string(machine.Running):
			n["running"+kind+"TasksCount"] += t.N
		case string(machine.Provisioning), string(machine.Pending), string(machine.Activating):
			n["pending"+kind+"TasksCount"] += t.N
		}
	}
	for _, v := range c.ServicesBy {
		state := "active"
		if v.Status == "DRAINING" {
			state = "draining"
		}
		n[state+map[string]string{"EC2": "EC2", "FARGATE": "Fargate", "EXTERNAL": "External"}[v.LaunchType]+"ServiceCount"] += v.N
	}
	list := []types.KeyValuePair{}
	for _, kind := range []string{"EC2", "Fargate", "External"} {
		for _, key := range []string{"running%sTasksCount", "pending%sTasksCount", "active%sServiceCount", "draining%sServiceCount"} {
			key = fmt.Sprintf(key, kind)
			list = append(list, types.KeyValuePair{Name: to(key), Value: to(strconv.Itoa(n[key]))})
		}
	}
	slices.SortFunc(list, func(a, b types.KeyValuePair) int { return strings.Compare(*a.Name, *b.Name) })
	return list
}

// ListClusters lists the ARNs of the active clusters by name.
func (s *Service) ListClusters(ctx context.Context, in *ecs.ListClustersInput) (*ecs.ListClustersOutput, error) {
	scope := scopeOf(ctx)
	l := listing{scope: scope, operation: "ListClusters"}
	p, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	names, err := record.ClusterNames(ctx, s.reader(), scope, p)
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	names, next := cut(l, p, names, func(n string) string { return n })
	out := &ecs.ListClustersOutput{ClusterArns: []string{}, NextToken: next}
	for _, n := range names {
		out.ClusterArns = append(out.ClusterArns, clusterARN(scope, n))
	}
	return out, nil
}

// DeleteCluster makes an empty cluster inactive.
func (s *Service) DeleteCluster(ctx context.Context, in *ecs.DeleteClusterInput) (*ecs.DeleteClusterOutput, error) {
	c, err := s.changeCluster(ctx, in.Cluster, func(q meta.Querier, c *record.Cluster) error {
		counts, err := record.CountCluster(ctx, q, c.Scope, c.Name)
		if err != nil {
			return fmt.Errorf("count what cluster %s has: %w", c.Name, err)
		}
		switch {
		case counts.Instances > 0:
			return &types.ClusterContainsContainerInstancesException{Message: to("The Cluster cannot be deleted while Container Instances are active or draining.")}
		case counts.Services > 0:
			return &types.ClusterContainsServicesException{Message: to("The Cluster cannot be deleted while Services are active.")}
		case len(counts.Tasks) > 0:
			return &types.ClusterContainsTasksException{Message: to("The Cluster cannot be deleted while Tasks are active.")}
		}
		c.Status = "INACTIVE"
		return meta.DeleteResourceTags(ctx, q, clusterARN(c.Scope, c.Name))
	})
	if err != nil {
		return nil, err
	}
	shown, err := s.showCluster(ctx, c, nil)
	return &ecs.DeleteClusterOutput{Cluster: shown}, err
}

// UpdateCluster changes settings and configuration of a cluster.
func (s *Service) UpdateCluster(ctx context.Context, in *ecs.UpdateClusterInput) (*ecs.UpdateClusterOutput, error) {
	change := clusterChange{in.Settings, in.Configuration, in.ServiceConnectDefaults}
	c, err := s.changeCluster(ctx, in.Cluster, func(_ meta.Querier, c *record.Cluster) error { return change.apply(&c.Detail) })
	if err != nil {
		return nil, err
	}
	shown, err := s.showCluster(ctx, c, []types.ClusterField{types.ClusterFieldSettings, types.ClusterFieldConfigurations})
	return &ecs.UpdateClusterOutput{Cluster: shown}, err
}

// UpdateClusterSettings changes settings of a cluster.
func (s *Service) UpdateClusterSettings(ctx context.Context, in *ecs.UpdateClusterSettingsInput) (*ecs.UpdateClusterSettingsOutput, error) {
	change := clusterChange{settings: in.Settings}
	c, err := s.changeCluster(ctx, in.Cluster, func(_ meta.Querier, c *record.Cluster) error { return change.apply(&c.Detail) })
	if err != nil {
		return nil, err
	}
	shown, err := s.showCluster(ctx, c, []types.ClusterField{types.ClusterFieldSettings})
	return &ecs.UpdateClusterSettingsOutput{Cluster: shown}, err
}

// PutClusterCapacityProviders sets the capacity providers of a cluster and the
// strategy of those who name none.
func (s *Service) PutClusterCapacityProviders(ctx context.Context, in *ecs.PutClusterCapacityProvidersInput) (*ecs.PutClusterCapacityProvidersOutput, error) {
	c, err := s.changeCluster(ctx, in.Cluster, func(q meta.Querier, c *record.Cluster) error {
		return s.setCapacity(ctx, q, c.Scope, &c.Detail, in.CapacityProviders, in.DefaultCapacityProviderStrategy)
	})
	if err != nil {
		return nil, err
	}
	shown, err := s.showCluster(ctx, c, nil)
	return &ecs.PutClusterCapacityProvidersOutput{Cluster: shown}, err
}

// changeCluster changes an active cluster in a transaction.
func (s *Service) changeCluster(ctx context.Context, given *string, change func(meta.Querier, *record.Cluster) error) (c record.Cluster, err error) {
	cluster, err := clusterOf(ctx, given)
	if err != nil {
		return c, err
	}
	err = s.write(ctx, func(q meta.Querier) (err error) {
		if c, err = activeCluster(ctx, q, scopeOf(ctx), cluster); err != nil {
			return err
		}
		if err := change(q, &c); err != nil {
			return err
		}
		return record.UpdateCluster(ctx, q, c)
	})
	return c, err
}

// activeCluster finds a cluster that is active. Errors: ClusterNotFoundException.
func activeCluster(ctx context.Context, q meta.Querier, scope record.Scope, cluster string) (record.Cluster, error) {
	c, err := record.FindCluster(ctx, q, scope, cluster)
	if errors.Is(err, meta.ErrNotFound) || err == nil && c.Status != "ACTIVE" {
		return c, clusterNotFound()
	}
	if err != nil {
		return c, fmt.Errorf("find cluster %s: %w", cluster, err)
	}
	return c, nil
}
