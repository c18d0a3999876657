package deploy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

// amazonProviders are the capacity providers that every account has.
var amazonProviders = []string{"FARGATE", "FARGATE_SPOT"}

// CapacityAttribute is the attribute by which a container instance belongs to a
// capacity provider. At Amazon's its auto scaling group says so; here are none.
const CapacityAttribute = "drydock.capacity-provider"

// mostProviders is how many capacity providers a cluster may have.
const mostProviders = 20

func (s *Service) capacityOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateCapacityProvider", s.CreateCapacityProvider, func(ctx context.Context, in *ecs.CreateCapacityProviderInput) ([]awsapi.Need, error) {
			arn := capacityProviderARN(scopeOf(ctx), deref(in.Name))
			n := need(ctx, "ecs:CreateCapacityProvider", arn)
			n.Keys = tagKeys(in.Tags)
			return append([]awsapi.Need{n}, needsTagging(ctx, arn, in.Tags, "CreateCapacityProvider")...), nil
		}),
		awsapi.Op("DescribeCapacityProviders", s.DescribeCapacityProviders, needsDescribeCapacityProviders),
		awsapi.Op("UpdateCapacityProvider", s.UpdateCapacityProvider, func(ctx context.Context, in *ecs.UpdateCapacityProviderInput) ([]awsapi.Need, error) {
			return needsOnProvider(ctx, "ecs:UpdateCapacityProvider", in.Name)
		}),
		awsapi.Op("DeleteCapacityProvider", s.DeleteCapacityProvider, func(ctx context.Context, in *ecs.DeleteCapacityProviderInput) ([]awsapi.Need, error) {
			return needsOnProvider(ctx, "ecs:DeleteCapacityProvider", in.CapacityProvider)
		}),
	}
}

func needsOnProvider(ctx context.Context, action string, given *string) ([]awsapi.Need, error) {
	scope := scopeOf(ctx)
	n, err := named(scope, "capacity-provider", deref(given))
	return []awsapi.Need{need(ctx, action, capacityProviderARN(scope, n))}, err
}

func needsDescribeCapacityProviders(ctx context.Context, in *ecs.DescribeCapacityProvidersInput) ([]awsapi.Need, error) {
	given := in.CapacityProviders
	if len(given) == 0 {
		given = []string{"*"}
	}
	var needs []awsapi.Need
	for _, g := range given {
		n, err := needsOnProvider(ctx, "ecs:DescribeCapacityProviders", &g)
		if err != nil {
			return nil, err
		}
		needs = append(needs, n...)
	}
	return needs, nil
}

var reservedProvider = regexp.MustCompile(`(?i)^(aws|ecs|fargate)`)

// CreateCapacityProvider names a group of container instances: those that have its
// name as CapacityAttribute. Scaling, for which there is no group to scale, is
// refused.
func (s *Service) CreateCapacityProvider(ctx context.Context, in *ecs.CreateCapacityProviderInput) (*ecs.CreateCapacityProviderOutput, error) {
	scope, provider := scopeOf(ctx), deref(in.Name)
	if !name.MatchString(provider) || reservedProvider.MatchString(provider) {
		return nil, clientError("The specified capacity provider name is invalid. Up to 255 characters are allowed, which include letters (upper and lowercase), numbers, underscores, and hyphens. The name cannot be prefixed with \"aws\", \"ecs\", or \"fargate\".")
	}
	if in.ManagedInstancesProvider != nil {
		return nil, unsupported("There are no managed instances here: give an autoScalingGroupProvider.")
	}
	if in.AutoScalingGroupProvider == nil {
		return nil, clientError("An auto scaling group provider must be specified to create a capacity provider.")
	}
	group, err := groupProvider(in.AutoScalingGroupProvider.AutoScalingGroupArn, types.AutoScalingGroupProviderUpdate{
		ManagedScaling: in.AutoScalingGroupProvider.ManagedScaling, ManagedDraining: in.AutoScalingGroupProvider.ManagedDraining,
		ManagedTerminationProtection: in.AutoScalingGroupProvider.ManagedTerminationProtection,
	})
	if err != nil {
		return nil, err
	}
	tags, err := checkTags(in.Tags)
	if err != nil {
		return nil, err
	}
	c := record.CapacityProvider{Scope: scope, Name: provider, Status: "ACTIVE", Detail: types.CapacityProvider{
		CapacityProviderArn: to(capacityProviderARN(scope, provider)), Name: &provider, Status: types.CapacityProviderStatusActive,
		Type: types.CapacityProviderTypeEc2Autoscaling, AutoScalingGroupProvider: group,
	}}
	err = s.write(ctx, func(q meta.Querier) error {
		err := record.AddCapacityProvider(ctx, q, c)
		if errors.Is(err, meta.ErrExists) {
			return clientError("The specified capacity provider already exists. To change the configuration of an existing capacity provider, update the capacity provider.")
		}
		if err != nil {
			return fmt.Errorf("create capacity provider %s: %w", provider, err)
		}
		return putTags(ctx, q, *c.Detail.CapacityProviderArn, tags)
	})
	if err != nil {
		return nil, err
	}
	shown, err := s.showProvider(ctx, c, true)
	return &ecs.CreateCapacityProviderOutput{CapacityProvider: &shown}, err
}

func groupProvider(arn *string, u types.AutoScalingGroupProviderUpdate) (*types.AutoScalingGroupProvider, error) {
	if m := u.ManagedScaling; m != nil && m.Status == types.ManagedScalingStatusEnabled {
		return nil, unsupported("There are no auto scaling groups here to be scaled: leave managedScaling DISABLED.")
	}
	if u.ManagedTerminationProtection == types.ManagedTerminationProtectionEnabled {
		return nil, unsupported("There are no auto scaling groups here to be protected: leave managedTerminationProtection DISABLED.")
	}
	if u.ManagedDraining == types.ManagedDrainingEnabled {
		return nil, unsupported("There are no auto scaling groups here whose instances could be drained: leave managedDraining DISABLED.")
	}
	return &types.AutoScalingGroupProvider{
		AutoScalingGroupArn: arn, ManagedScaling: &types.ManagedScaling{Status: types.ManagedScalingStatusDisabled},
		ManagedTerminationProtection: types.ManagedTerminationProtectionDisabled, ManagedDraining: types.ManagedDrainingDisabled,
	}, nil
}

// DescribeCapacityProviders describes capacity providers by name or ARN, or all of
// them, Amazon's first.
func (s *Service) DescribeCapacityProviders(ctx context.Context, in *ecs.DescribeCapacityProvidersInput) (*ecs.DescribeCapacityProvidersOutput, error) {
	scope := scopeOf(ctx)
	tagged := slices.Contains(in.Include, types.CapacityProviderFieldTags)
	out := &ecs.DescribeCapacityProvidersOutput{CapacityProviders: []types.CapacityProvider{}, Failures: []types.Failure{}}
	add := func(c record.CapacityProvider) error {
		shown, err := s.showProvider(ctx, c, tagged)
		out.CapacityProviders = append(out.CapacityProviders, shown)
		return err
	}
	if len(in.CapacityProviders) > 0 {
		for _, g := range in.CapacityProviders {
			provider, err := named(scope, "capacity-provider", g)
			if err != nil {
				return nil, err
			}
			c, err := findProvider(ctx, s.reader(), scope, provider)
			if errors.Is(err, meta.ErrNotFound) {
				out.Failures = append(out.Failures, types.Failure{Arn: to(capacityProviderARN(scope, provider)), Reason: to("MISSING")})
				continue
			}
			if err == nil {
				err = add(c)
			}
			if err != nil {
				return nil, fmt.Errorf("find capacity provider %s: %w", provider, err)
			}
		}
		return out, nil
	}
	l := listing{scope: scope, operation: "DescribeCapacityProviders"}
	p, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	list, err := record.CapacityProviders(ctx, s.reader(), scope, p)
	if err != nil {
		return nil, fmt.Errorf("list capacity providers: %w", err)
	}
	if p.After == "" {
		for _, n := range amazonProviders {
			if err := add(amazonProvider(scope, n)); err != nil {
				return nil, err
			}
		}
	}
	list, out.NextToken = cut(l, p, list, func(c record.CapacityProvider) string { return c.Name })
	for _, c := range list {
		if err := add(c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func amazonProvider(s record.Scope, name string) record.CapacityProvider {
	kind := types.CapacityProviderTypeFargate
	if name == "FARGATE_SPOT" {
		kind = types.CapacityProviderTypeFargateSpot
	}
	return record.CapacityProvider{Scope: s, Name: name, Status: "ACTIVE", Detail: types.CapacityProvider{
		CapacityProviderArn: to(capacityProviderARN(s, name)), Name: &name, Status: types.CapacityProviderStatusActive, Type: kind,
	}}
}

// findProvider finds a capacity provider, Amazon's included. Errors:
// meta.ErrNotFound.
func findProvider(ctx context.Context, q meta.Querier, s record.Scope, provider string) (record.CapacityProvider, error) {
	if slices.Contains(amazonProviders, provider) {
		return amazonProvider(s, provider), nil
	}
	return record.FindCapacityProvider(ctx, q, s, provider)
}

func (s *Service) showProvider(ctx context.Context, c record.CapacityProvider, tagged bool) (types.CapacityProvider, error) {
	d := c.Detail
	d.Tags = []types.Tag{}
	var err error
	if tagged {
		d.Tags, err = s.tags(ctx, *d.CapacityProviderArn)
	}
	return d, err
}

// UpdateCapacityProvider changes a capacity provider.
func (s *Service) UpdateCapacityProvider(ctx context.Context, in *ecs.UpdateCapacityProviderInput) (*ecs.UpdateCapacityProviderOutput, error) {
	if in.AutoScalingGroupProvider == nil {
		return nil, clientError("An auto scaling group provider must be specified to update a capacity provider.")
	}
	c, err := s.changeProvider(ctx, in.Name, func(_ meta.Querier, c *record.CapacityProvider) (err error) {
		c.Detail.AutoScalingGroupProvider, err = groupProvider(c.Detail.AutoScalingGroupProvider.AutoScalingGroupArn, *in.AutoScalingGroupProvider)
		c.Detail.UpdateStatus = types.CapacityProviderUpdateStatusUpdateComplete
		return err
	})
	if err != nil {
		return nil, err
	}
	shown, err := s.showProvider(ctx, c, false)
	return &ecs.UpdateCapacityProviderOutput{CapacityProvider: &shown}, err
}

// DeleteCapacityProvider deletes a capacity provider that no cluster has.
func (s *Service) DeleteCapacityProvider(ctx context.Context, in *ecs.DeleteCapacityProviderInput) (*ecs.DeleteCapacityProviderOutput, error) {
	c, err := s.changeProvider(ctx, in.CapacityProvider, func(q meta.Querier, c *record.CapacityProvider) error {
		for p := (record.Page{Limit: mostResults}); ; {
			names, err := record.ClusterNames(ctx, q, c.Scope, p)
			if err != nil {
				return fmt.Errorf("list clusters: %w", err)
			}
			for _, n := range names {
				cluster, err := record.FindCluster(ctx, q, c.Scope, n)
				if err != nil {
					return fmt.Errorf("find cluster %s: %w", n, err)
				}
				if slices.Contains(cluster.Detail.CapacityProviders, c.Name) {
					return clientError("The capacity provider cannot be deleted because it is associated with cluster: %s. Remove the capacity provider from the cluster and try again.", n)
				}
			}
			if len(names) < p.Limit {
				break
			}
			p.After = names[len(names)-1]
		}
		c.Status, c.Detail.Status, c.Detail.UpdateStatus = "INACTIVE", types.CapacityProviderStatusInactive, types.CapacityProviderUpdateStatusDeleteComplete
		return meta.DeleteResourceTags(ctx, q, *c.Detail.CapacityProviderArn)
	})
	if err != nil {
		return nil, err
	}
	shown, err := s.showProvider(ctx, c, false)
	return &ecs.DeleteCapacityProviderOutput{CapacityProvider: &shown}, err
}

// changeProvider changes a capacity provider of the account's own in a transaction;
// one that becomes INACTIVE is deleted.
func (s *Service) changeProvider(ctx context.Context, given *string, change func(meta.Querier, *record.CapacityProvider) error) (c record.CapacityProvider, err error) {
	scope := scopeOf(ctx)
	provider, err := named(scope, "capacity-provider", deref(given))
	if err != nil {
		return c, err
	}
	if slices.Contains(amazonProviders, provider) {
		return c, clientError("The specified capacity provider is reserved and cannot be changed or deleted.")
	}
	err = s.write(ctx, func(q meta.Querier) (err error) {
		if c, err = record.FindCapacityProvider(ctx, q, scope, provider); err != nil {
			if errors.Is(err, meta.ErrNotFound) {
				return clientError("The specified capacity provider does not exist. Specify a valid name or ARN and try again.")
			}
			return fmt.Errorf("find capacity provider %s: %w", provider, err)
		}
		if err := change(q, &c); err != nil {
			return err
		}
		if c.Status == "INACTIVE" {
			return record.DeleteCapacityProvider(ctx, q, scope, provider)
		}
		return record.UpdateCapacityProvider(ctx, q, c)
	})
	return c, err
}

// setCapacity sets the capacity providers of a cluster, in a transaction.
func (s *Service) setCapacity(ctx context.Context, q meta.Querier, scope record.Scope, c *types.Cluster, providers []string, strategy []types.CapacityProviderStrategyItem) error {
	if len(providers) > mostProviders {
		return invalidParameter("A cluster has at most %d capacity providers.", mostProviders)
	}
	names := []string{}
	for _, g := range providers {
		n, err := named(scope, "capacity-provider", g)
		if err != nil {
			return err
		}
		if _, err := findProvider(ctx, q, scope, n); errors.Is(err, meta.ErrNotFound) {
			return invalidParameter("The specified capacity provider '%s' was not found. Specify a valid capacity provider name or ARN and try again.", g)
		} else if err != nil {
			return fmt.Errorf("find capacity provider %s: %w", n, err)
		}
		if slices.Contains(names, n) {
			return invalidParameter("The capacity provider '%s' is given twice.", n)
		}
		names = append(names, n)
	}
	if err := checkStrategy(strategy, names); err != nil {
		return err
	}
	if strategy == nil {
		strategy = []types.CapacityProviderStrategyItem{}
	}
	c.CapacityProviders, c.DefaultCapacityProviderStrategy = names, strategy
	return nil
}

// checkStrategy checks a capacity provider strategy against the providers of its
// cluster.
// Source: API reference, CapacityProviderStrategyItem.
func checkStrategy(strategy []types.CapacityProviderStrategyItem, providers []string) error {
	if len(strategy) > mostProviders {
		return invalidParameter("A capacity provider strategy has at most %d capacity providers.", mostProviders)
	}
	bases, weights, fargate := 0, int32(0), 0
	for _, item := range strategy {
		n := deref(item.CapacityProvider)
		if !slices.Contains(providers, n) {
			return invalidParameter("The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.")
		}
		if strings.HasPrefix(n, "FARGATE") {
			fargate++
		}
		if item.Base > 0 {
			bases++
		}
		weights += item.Weight
	}
	switch {
	case bases > 1:
		return invalidParameter("Only one capacity provider in a strategy can have a base value greater than 0.")
	case fargate > 0 && fargate < len(strategy):
		return invalidParameter("A capacity provider strategy cannot contain a mix of capacity providers using Auto Scaling groups and Fargate providers. Specify one or the other and try again.")
	case len(strategy) > 1 && weights == 0:
		return invalidParameter("At least one capacity provider of a strategy must have a weight greater than 0.")
	}
	return nil
}
