package deploy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/record"
	"drydock/deploy/rollout"
	"drydock/deploy/schedule"
	"drydock/storage/meta"
)

// mostDeployments is how many deployments or revisions can be described at once.
// Source: API reference, DescribeServiceDeployments.
const mostDeployments = 20

func (s *Service) deploymentOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("DescribeServiceDeployments", s.DescribeServiceDeployments, func(ctx context.Context, in *ecs.DescribeServiceDeploymentsInput) ([]awsapi.Need, error) {
			return needsOnParts(ctx, "ecs:DescribeServiceDeployments", "service-deployment", in.ServiceDeploymentArns)
		}),
		awsapi.Op("DescribeServiceRevisions", s.DescribeServiceRevisions, func(ctx context.Context, in *ecs.DescribeServiceRevisionsInput) ([]awsapi.Need, error) {
			return needsOnParts(ctx, "ecs:DescribeServiceRevisions", "service-revision", in.ServiceRevisionArns)
		}),
		awsapi.Op("ListServiceDeployments", s.ListServiceDeployments, func(ctx context.Context, in *ecs.ListServiceDeploymentsInput) ([]awsapi.Need, error) {
			return needsOnServices(ctx, "ecs:ListServiceDeployments", in.Cluster, deref(in.Service))
		}),
		awsapi.Op("StopServiceDeployment", s.StopServiceDeployment, func(ctx context.Context, in *ecs.StopServiceDeploymentInput) ([]awsapi.Need, error) {
			return needsOnParts(ctx, "ecs:StopServiceDeployment", "service-deployment", []string{deref(in.ServiceDeploymentArn)})
		}),
	}
}

// part is a deployment or a revision of a service.
type part struct{ cluster, service, id string }

// partOf takes the ARN of one apart.
func partOf(s record.Scope, kind, given string) (p part, err error) {
	if !strings.HasPrefix(given, "arn:") {
		return p, invalidParameter("Invalid arn syntax.")
	}
	rest, err := named(s, kind, given)
	if err != nil {
		return p, err
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return p, invalidParameter("Invalid arn syntax.")
	}
	return part{parts[0], parts[1], parts[2]}, nil
}

func needsOnParts(ctx context.Context, action, kind string, arns []string) (needs []awsapi.Need, err error) {
	scope := scopeOf(ctx)
	for _, a := range arns {
		p, err := partOf(scope, kind, a)
		if err != nil {
			return nil, err
		}
		n := need(ctx, action, a)
		n.Keys = map[string][]string{"ecs:cluster": {clusterARN(scope, p.cluster)}, "ecs:service": {serviceARN(scope, p.cluster, p.service)}}
		needs = append(needs, n)
	}
	if len(needs) == 0 {
		needs = []awsapi.Need{need(ctx, action, "*")}
	}
	return needs, nil
}

// DescribeServiceDeployments describes deployments by ARN. Those that do not exist
// are failures.
func (s *Service) DescribeServiceDeployments(ctx context.Context, in *ecs.DescribeServiceDeploymentsInput) (*ecs.DescribeServiceDeploymentsOutput, error) {
	out := &ecs.DescribeServiceDeploymentsOutput{ServiceDeployments: []types.ServiceDeployment{}, Failures: []types.Failure{}}
	err := eachPart(ctx, "service-deployment", in.ServiceDeploymentArns, &out.Failures, func(p part) error {
		d, err := record.FindServiceDeployment(ctx, s.reader(), scopeOf(ctx), p.cluster, p.service, p.id)
		if err != nil {
			return err
		}
		shown, err := s.showDeployment(ctx, d)
		out.ServiceDeployments = append(out.ServiceDeployments, shown)
		return err
	})
	return out, err
}

// eachPart finds what ARNs name; what does not exist becomes a failure.
func eachPart(ctx context.Context, kind string, arns []string, failures *[]types.Failure, find func(part) error) error {
	if n := len(arns); n < 1 || n > mostDeployments {
		return invalidParameter("Between 1 and %d ARNs can be described at once.", mostDeployments)
	}
	for _, a := range arns {
		p, err := partOf(scopeOf(ctx), kind, a)
		if err != nil {
			return err
		}
		err = find(p)
		if errors.Is(err, meta.ErrNotFound) {
			*failures = append(*failures, types.Failure{Arn: &a, Reason: to("MISSING")})
			continue
		}
		if err != nil {
			return fmt.Errorf("find %s: %w", a, err)
		}
	}
	return nil
}

// showDeployment is a deployment as ECS shows it, with its revisions' tasks counted.
func (s *Service) showDeployment(ctx context.Context, d record.ServiceDeployment) (types.ServiceDeployment, error) {
	v := d.Detail
	counts, err := record.CountServiceTasks(ctx, s.reader(), d.Scope, d.Cluster, d.Service)
	if err != nil {
		return v, fmt.Errorf("count the tasks of service %s: %w", d.Service, err)
	}
	sum := tally(counts)
	desired := int32(0)
	service, err := record.FindService(ctx, s.reader(), d.Scope, d.Cluster, d.Service)
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return v, fmt.Errorf("find service %s: %w", d.Service, err)
	}
	if err == nil && rollout.Current(service) == d.ID && v.Rollback == nil {
		desired = service.Detail.Shown.DesiredCount
	}
	fill := func(r *types.ServiceRevisionSummary) {
		n := sum["ecs-svc/"+(*r.Arn)[strings.LastIndex(*r.Arn, "/")+1:]]
		r.RunningTaskCount, r.PendingTaskCount = n.running, n.pending
	}
	if v.TargetServiceRevision != nil {
		target := *v.TargetServiceRevision
		fill(&target)
		target.RequestedTaskCount = desired
		v.TargetServiceRevision = &target
	}
	v.SourceServiceRevisions = slices.Clone(v.SourceServiceRevisions)
	for i := range v.SourceServiceRevisions {
		fill(&v.SourceServiceRevisions[i])
	}
	return v, nil
}

// DescribeServiceRevisions describes revisions by ARN. Those that do not exist are
// failures.
func (s *Service) DescribeServiceRevisions(ctx context.Context, in *ecs.DescribeServiceRevisionsInput) (*ecs.DescribeServiceRevisionsOutput, error) {
	out := &ecs.DescribeServiceRevisionsOutput{ServiceRevisions: []types.ServiceRevision{}, Failures: []types.Failure{}}
	err := eachPart(ctx, "service-revision", in.ServiceRevisionArns, &out.Failures, func(p part) error {
		r, err := record.FindServiceRevision(ctx, s.reader(), scopeOf(ctx), p.cluster, p.service, p.id)
		if err == nil {
			out.ServiceRevisions = append(out.ServiceRevisions, r.Detail)
		}
		return err
	})
	return out, err
}

// ListServiceDeployments lists the deployments of a service, the latest first.
func (s *Service) ListServiceDeployments(ctx context.Context, in *ecs.ListServiceDeploymentsInput) (*ecs.ListServiceDeploymentsOutput, error) {
	scope := scopeOf(ctx)
	c, name, err := serviceOf(ctx, in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if _, err := record.FindService(ctx, s.reader(), scope, c, name); errors.Is(err, meta.ErrNotFound) {
		return nil, serviceNotFound()
	} else if err != nil {
		return nil, fmt.Errorf("find service %s: %w", name, err)
	}
	if in.MaxResults == nil {
		in.MaxResults = to(int32(mostDeployments))
	}
	after, before, created := int64(math.MinInt64), int64(math.MaxInt64), ""
	if in.CreatedAt != nil {
		if t := in.CreatedAt.After; t != nil {
			after = t.UnixMilli()
		}
		if t := in.CreatedAt.Before; t != nil {
			before = t.UnixMilli()
		}
		created = strconv.FormatInt(after, 10) + "-" + strconv.FormatInt(before, 10)
	}
	l := listing{scope, "ListServiceDeployments", append([]string{c, name, created}, statuses(in.Status)...)}
	p, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	id := ""
	if at, rest, ok := strings.Cut(p.After, " "); ok {
		if before, err = strconv.ParseInt(at, 10, 64); err != nil {
			return nil, invalidParameter("Invalid token %s", *in.NextToken)
		}
		id = rest
	}
	var found []record.ServiceDeployment
	for len(found) < p.Limit {
		list, err := record.ServiceDeployments(ctx, s.reader(), scope, c, name, before, id, p.Limit)
		if err != nil {
			return nil, fmt.Errorf("list the deployments of service %s: %w", name, err)
		}
		for _, d := range list {
			if d.CreatedAt > after && (len(in.Status) == 0 || slices.Contains(in.Status, d.Detail.Status)) && len(found) < p.Limit {
				found = append(found, d)
			}
		}
		if len(list) < p.Limit {
			break
		}
		before, id = list[len(list)-1].CreatedAt, list[len(list)-1].ID
	}
	found, next := cut(l, p, found, func(d record.ServiceDeployment) string { return strconv.FormatInt(d.CreatedAt, 10) + " " + d.ID })
	out := &ecs.ListServiceDeploymentsOutput{ServiceDeployments: []types.ServiceDeploymentBrief{}, NextToken: next}
	for _, d := range found {
		v := d.Detail
		b := types.ServiceDeploymentBrief{
			ServiceDeploymentArn: v.ServiceDeploymentArn, ServiceArn: v.ServiceArn, ClusterArn: v.ClusterArn, CreatedAt: v.CreatedAt, StartedAt: v.StartedAt,
			FinishedAt: v.FinishedAt, Status: v.Status, StatusReason: v.StatusReason,
		}
		if v.TargetServiceRevision != nil {
			b.TargetServiceRevisionArn = v.TargetServiceRevision.Arn
		}
		out.ServiceDeployments = append(out.ServiceDeployments, b)
	}
	return out, nil
}

func statuses(list []types.ServiceDeploymentStatus) (all []string) {
	for _, s := range list {
		all = append(all, string(s))
	}
	return all
}

// StopServiceDeployment gives a deployment up and goes back to the one before.
func (s *Service) StopServiceDeployment(ctx context.Context, in *ecs.StopServiceDeploymentInput) (*ecs.StopServiceDeploymentOutput, error) {
	if in.StopType != "" && in.StopType != types.StopServiceDeploymentStopTypeRollback {
		return nil, unsupported("The only way to stop a deployment here is ROLLBACK.")
	}
	scope := scopeOf(ctx)
	p, err := partOf(scope, "service-deployment", deref(in.ServiceDeploymentArn))
	if err != nil {
		return nil, err
	}
	_, err = s.changeService(ctx, &p.cluster, &p.service, func(q meta.Querier, v *record.Service) error {
		d, err := record.FindServiceDeployment(ctx, q, scope, p.cluster, p.service, p.id)
		if errors.Is(err, meta.ErrNotFound) {
			return &types.ServiceDeploymentNotFoundException{Message: to("Service deployment not found.")}
		}
		if err != nil {
			return fmt.Errorf("find deployment %s: %w", p.id, err)
		}
		if rollout.Current(*v) != p.id || d.Detail.Status != types.ServiceDeploymentStatusInProgress {
			return &types.ConflictException{Message: to("The service deployment is not in progress."), ResourceIds: []string{*in.ServiceDeploymentArn}}
		}
		err = v.Detail.State.RollBack("ECS deployment stopped by user.", "ECS deployment stopped by user: rolling back to deploymentId ")
		if errors.Is(err, schedule.ErrNoWayBack) {
			return &types.ConflictException{Message: to("There is no completed deployment of the service to roll back to."), ResourceIds: []string{*in.ServiceDeploymentArn}}
		}
		if err != nil {
			return err
		}
		rollout.Show(v, s.now())
		return rollout.Record(ctx, q, *v, s.now())
	})
	if err != nil {
		return nil, err
	}
	return &ecs.StopServiceDeploymentOutput{ServiceDeploymentArn: in.ServiceDeploymentArn}, nil
}
