package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

// Source: API reference, DescribeServices and ListServices.
const (
	mostDescribed = 10
	usualServices = 10
)

func (s *Service) serviceListOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("DescribeServices", s.DescribeServices, func(ctx context.Context, in *ecs.DescribeServicesInput) ([]awsapi.Need, error) {
			return needsOnServices(ctx, "ecs:DescribeServices", in.Cluster, in.Services...)
		}),
		awsapi.Op("ListServices", s.ListServices, func(ctx context.Context, in *ecs.ListServicesInput) ([]awsapi.Need, error) {
			return needsOnServices(ctx, "ecs:ListServices", in.Cluster)
		}),
		awsapi.Op("ListServicesByNamespace", s.ListServicesByNamespace, func(ctx context.Context, _ *ecs.ListServicesByNamespaceInput) ([]awsapi.Need, error) {
			return []awsapi.Need{need(ctx, "ecs:ListServicesByNamespace", "*")}, nil
		}),
	}
}

// DescribeServices describes services by name or ARN. Those that do not exist are
// failures.
func (s *Service) DescribeServices(ctx context.Context, in *ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
	if len(in.Services) == 0 {
		return nil, invalidParameter("Services cannot be empty.")
	}
	if len(in.Services) > mostDescribed {
		return nil, invalidParameter("At most %d services can be described at once.", mostDescribed)
	}
	scope := scopeOf(ctx)
	out := &ecs.DescribeServicesOutput{Services: []types.Service{}, Failures: []types.Failure{}}
	for n, given := range in.Services {
		c, name, err := serviceOf(ctx, in.Cluster, &given)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			if _, err := activeCluster(ctx, s.reader(), scope, c); err != nil {
				return nil, err
			}
		}
		v, err := record.FindService(ctx, s.reader(), scope, c, name)
		if errors.Is(err, meta.ErrNotFound) {
			out.Failures = append(out.Failures, types.Failure{Arn: to(serviceARN(scope, c, name)), Reason: to("MISSING")})
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find service %s: %w", name, err)
		}
		shown, err := s.showService(ctx, v, slices.Contains(in.Include, types.ServiceFieldTags))
		if err != nil {
			return nil, err
		}
		out.Services = append(out.Services, *shown)
	}
	return out, nil
}

// ListServices lists the ARNs of a cluster's services by name.
func (s *Service) ListServices(ctx context.Context, in *ecs.ListServicesInput) (*ecs.ListServicesOutput, error) {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	if _, err := activeCluster(ctx, s.reader(), scope, c); err != nil {
		return nil, err
	}
	if in.MaxResults == nil {
		in.MaxResults = to(int32(usualServices))
	}
	l := listing{scope, "ListServices", []string{c, string(in.LaunchType), string(in.SchedulingStrategy), string(in.ResourceManagementType)}}
	p, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	wanted := func(v record.Service) bool {
		return (in.LaunchType == "" || v.LaunchType == string(in.LaunchType)) &&
			(in.SchedulingStrategy == "" || v.Detail.Shown.SchedulingStrategy == in.SchedulingStrategy) &&
			(in.ResourceManagementType == "" || in.ResourceManagementType == types.ResourceManagementTypeCustomer)
	}
	var found []string
	for at := p; len(found) < p.Limit; {
		list, err := record.Services(ctx, s.reader(), scope, c, at)
		if err != nil {
			return nil, fmt.Errorf("list services: %w", err)
		}
		for _, v := range list {
			if wanted(v) && len(found) < p.Limit {
				found = append(found, v.Name)
			}
		}
		if len(list) < at.Limit {
			break
		}
		at.After = list[len(list)-1].Name
	}
	found, next := cut(l, p, found, func(name string) string { return name })
	out := &ecs.ListServicesOutput{ServiceArns: []string{}, NextToken: next}
	for _, name := range found {
		out.ServiceArns = append(out.ServiceArns, serviceARN(scope, c, name))
	}
	return out, nil
}

// ListServicesByNamespace lists the services of a Cloud Map namespace, of which there
// are none.
func (s *Service) ListServicesByNamespace(context.Context, *ecs.ListServicesByNamespaceInput) (*ecs.ListServicesByNamespaceOutput, error) {
	return nil, &types.NamespaceNotFoundException{Message: to("The specified namespace was not found.")}
}

func (s *Service) taskSetOperations() []awsapi.Operation {
	needs := func(ctx context.Context, action string, cluster, service *string) ([]awsapi.Need, error) {
		return needsOnServices(ctx, action, cluster, deref(service))
	}
	return []awsapi.Operation{
		awsapi.Op("CreateTaskSet", s.CreateTaskSet, func(ctx context.Context, in *ecs.CreateTaskSetInput) ([]awsapi.Need, error) {
			return needs(ctx, "ecs:CreateTaskSet", in.Cluster, in.Service)
		}),
		awsapi.Op("UpdateTaskSet", s.UpdateTaskSet, func(ctx context.Context, in *ecs.UpdateTaskSetInput) ([]awsapi.Need, error) {
			return needs(ctx, "ecs:UpdateTaskSet", in.Cluster, in.Service)
		}),
		awsapi.Op("DeleteTaskSet", s.DeleteTaskSet, func(ctx context.Context, in *ecs.DeleteTaskSetInput) ([]awsapi.Need, error) {
			return needs(ctx, "ecs:DeleteTaskSet", in.Cluster, in.Service)
		}),
		awsapi.Op("DescribeTaskSets", s.DescribeTaskSets, func(ctx context.Context, in *ecs.DescribeTaskSetsInput) ([]awsapi.Need, error) {
			return needs(ctx, "ecs:DescribeTaskSets", in.Cluster, in.Service)
		}),
		awsapi.Op("UpdateServicePrimaryTaskSet", s.UpdateServicePrimaryTaskSet, func(ctx context.Context, in *ecs.UpdateServicePrimaryTaskSetInput) ([]awsapi.Need, error) {
			return needs(ctx, "ecs:UpdateServicePrimaryTaskSet", in.Cluster, in.Service)
		}),
	}
}

// noTaskSets refuses what is for services with an external deployment controller,
// which there are none of.
func noTaskSets() error {
	return unsupported("There are no task sets here: the only deployment controller is ECS.")
}

// CreateTaskSet is refused.
func (s *Service) CreateTaskSet(context.Context, *ecs.CreateTaskSetInput) (*ecs.CreateTaskSetOutput, error) {
	return nil, noTaskSets()
}

// UpdateTaskSet is refused.
func (s *Service) UpdateTaskSet(context.Context, *ecs.UpdateTaskSetInput) (*ecs.UpdateTaskSetOutput, error) {
	return nil, noTaskSets()
}

// DeleteTaskSet is refused.
func (s *Service) DeleteTaskSet(context.Context, *ecs.DeleteTaskSetInput) (*ecs.DeleteTaskSetOutput, error) {
	return nil, noTaskSets()
}

// DescribeTaskSets is refused.
func (s *Service) DescribeTaskSets(context.Context, *ecs.DescribeTaskSetsInput) (*ecs.DescribeTaskSetsOutput, error) {
	return nil, noTaskSets()
}

// UpdateServicePrimaryTaskSet is refused.
func (s *Service) UpdateServicePrimaryTaskSet(context.Context, *ecs.UpdateServicePrimaryTaskSetInput) (*ecs.UpdateServicePrimaryTaskSetOutput, error) {
	return nil, noTaskSets()
}
