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
	"drydock/deploy/record"
	"drydock/deploy/taskdefinition"
	"drydock/storage/meta"
)

// tasksService is the service that takes on the roles of tasks.
const tasksService = "ecs-tasks.amazonaws.com"

func (s *Service) definitionOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("RegisterTaskDefinition", s.RegisterTaskDefinition, needsRegisterTaskDefinition),
		awsapi.Op("DescribeTaskDefinition", s.DescribeTaskDefinition, func(ctx context.Context, _ *ecs.DescribeTaskDefinitionInput) ([]awsapi.Need, error) {
			return []awsapi.Need{need(ctx, "ecs:DescribeTaskDefinition", "*")}, nil
		}),
		awsapi.Op("DeregisterTaskDefinition", s.DeregisterTaskDefinition, func(ctx context.Context, _ *ecs.DeregisterTaskDefinitionInput) ([]awsapi.Need, error) {
			return []awsapi.Need{need(ctx, "ecs:DeregisterTaskDefinition", "*")}, nil
		}),
		awsapi.Op("DeleteTaskDefinitions", s.DeleteTaskDefinitions, needsDeleteTaskDefinitions),
		awsapi.Op("ListTaskDefinitions", s.ListTaskDefinitions, func(ctx context.Context, _ *ecs.ListTaskDefinitionsInput) ([]awsapi.Need, error) {
			return []awsapi.Need{need(ctx, "ecs:ListTaskDefinitions", "*")}, nil
		}),
		awsapi.Op("ListTaskDefinitionFamilies", s.ListTaskDefinitionFamilies, func(ctx context.Context, _ *ecs.ListTaskDefinitionFamiliesInput) ([]awsapi.Need, error) {
			return []awsapi.Need{need(ctx, "ecs:ListTaskDefinitionFamilies", "*")}, nil
		}),
	}
}

// RegisterTaskDefinition registers a revision of a family.
func (s *Service) RegisterTaskDefinition(ctx context.Context, in *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
	d, err := taskdefinition.New(in)
	if err != nil {
		return nil, definitionException(err)
	}
	tags, err := checkTags(in.Tags)
	if err != nil {
		return nil, err
	}
	scope, family := scopeOf(ctx), *d.Family
	d.Status, d.RegisteredBy, d.RegisteredAt = types.TaskDefinitionStatusActive, to(awsapi.CallFrom(ctx).Principal.ARN), to(s.now())
	err = s.write(ctx, func(q meta.Querier) error {
		n, err := record.NextRevision(ctx, q, scope, family)
		if err != nil {
			return err
		}
		d.Revision, d.TaskDefinitionArn = int32(n), to(definitionARN(scope, family, n))
		err = record.AddTaskDefinition(ctx, q, record.TaskDefinition{Scope: scope, Family: family, Revision: n, Status: string(d.Status), Detail: *d})
		if err != nil {
			return fmt.Errorf("register %s:%d: %w", family, n, err)
		}
		return putTags(ctx, q, *d.TaskDefinitionArn, tags)
	})
	if err != nil {
		return nil, err
	}
	out := &ecs.RegisterTaskDefinitionOutput{TaskDefinition: d}
	if len(tags) > 0 {
		out.Tags, err = s.tags(ctx, *d.TaskDefinitionArn)
	}
	return out, err
}

// definitionException makes ECS's exceptions of what is wrong with a task
// definition.
func definitionException(err error) error {
	var parameter *taskdefinition.ParameterError
	var missing *taskdefinition.UnsupportedError
	switch {
	case errors.As(err, &parameter):
		return clientError("%s", parameter.Error())
	case errors.As(err, &missing):
		return clientError("%s", missing.Error())
	}
	return err
}

// Source: Service Authorization Reference, "Actions … for Amazon Elastic Container
// Service".
func needsRegisterTaskDefinition(ctx context.Context, in *ecs.RegisterTaskDefinitionInput) ([]awsapi.Need, error) {
	family := resource(scopeOf(ctx), "task-definition", deref(in.Family)+":*")
	register := need(ctx, "ecs:RegisterTaskDefinition", family)
	register.Keys = tagKeys(in.Tags)
	needs := append([]awsapi.Need{register}, needsTagging(ctx, family, in.Tags, "RegisterTaskDefinition")...)
	return append(needs, needsPassing(ctx, in.TaskRoleArn, in.ExecutionRoleArn)...), nil
}

// needsPassing is the permission to hand roles to tasks. What is no role is refused
// elsewhere.
func needsPassing(ctx context.Context, roles ...*string) (needs []awsapi.Need) {
	for _, r := range roles {
		if deref(r) == "" {
			continue
		}
		n := need(ctx, "iam:PassRole", roleARN(ctx, *r))
		n.Keys = map[string][]string{"iam:passedtoservice": {tasksService}}
		needs = append(needs, n)
	}
	return needs
}

// roleARN is the ARN of a role of which a request gives that or its name.
func roleARN(ctx context.Context, given string) string {
	if strings.HasPrefix(given, "arn:") {
		return given
	}
	return "arn:aws:iam::" + awsapi.CallFrom(ctx).Principal.Account + ":role/" + given
}

// findDefinition finds the revision that a request names: the last active one where
// it names only the family. Errors: ClientException.
func findDefinition(ctx context.Context, q meta.Querier, scope record.Scope, given string) (d record.TaskDefinition, err error) {
	family, revision, err := parseRevision(scope, given)
	if err != nil {
		return d, err
	}
	if revision == 0 {
		d, err = record.LatestTaskDefinition(ctx, q, scope, family)
	} else {
		d, err = record.FindTaskDefinition(ctx, q, scope, family, revision)
	}
	if errors.Is(err, meta.ErrNotFound) {
		return d, clientError("Unable to describe task definition.")
	}
	if err != nil {
		return d, fmt.Errorf("find task definition %s: %w", given, err)
	}
	return d, nil
}

func shownDefinition(d record.TaskDefinition) *types.TaskDefinition {
	v := d.Detail
	v.Status = types.TaskDefinitionStatus(d.Status)
	return &v
}

// DescribeTaskDefinition describes a revision, whatever its status.
func (s *Service) DescribeTaskDefinition(ctx context.Context, in *ecs.DescribeTaskDefinitionInput) (*ecs.DescribeTaskDefinitionOutput, error) {
	d, err := findDefinition(ctx, s.reader(), scopeOf(ctx), deref(in.TaskDefinition))
	if err != nil {
		return nil, err
	}
	out := &ecs.DescribeTaskDefinitionOutput{TaskDefinition: shownDefinition(d), Tags: []types.Tag{}}
	if slices.Contains(in.Include, types.TaskDefinitionFieldTags) {
		out.Tags, err = s.tags(ctx, *d.Detail.TaskDefinitionArn)
	}
	return out, err
}

// DeregisterTaskDefinition makes a revision inactive: what runs goes on, and nothing
// new begins.
func (s *Service) DeregisterTaskDefinition(ctx context.Context, in *ecs.DeregisterTaskDefinitionInput) (*ecs.DeregisterTaskDefinitionOutput, error) {
	scope := scopeOf(ctx)
	if _, revision, err := parseRevision(scope, deref(in.TaskDefinition)); err != nil || revision == 0 {
		return nil, cmpErr(err, clientError("Missing revision."))
	}
	var d record.TaskDefinition
	err := s.write(ctx, func(q meta.Querier) (err error) {
		if d, err = findDefinition(ctx, q, scope, *in.TaskDefinition); err != nil {
			return err
		}
		if d.Status == string(types.TaskDefinitionStatusDeleteInProgress) {
			return clientError("The specified task definition is being deleted.")
		}
		if d.Status == string(types.TaskDefinitionStatusInactive) {
			return nil
		}
		d.Status, d.Detail.DeregisteredAt = string(types.TaskDefinitionStatusInactive), to(s.now())
		return record.UpdateTaskDefinition(ctx, q, d)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.DeregisterTaskDefinitionOutput{TaskDefinition: shownDefinition(d)}, nil
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// mostDeleted is how many revisions one request can delete.
const mostDeleted = 10

// DeleteTaskDefinitions begins to delete inactive revisions. They stay as they are,
// in DELETE_IN_PROGRESS, for as long as a task or a service has them.
func (s *Service) DeleteTaskDefinitions(ctx context.Context, in *ecs.DeleteTaskDefinitionsInput) (*ecs.DeleteTaskDefinitionsOutput, error) {
	if n := len(in.TaskDefinitions); n < 1 || n > mostDeleted {
		return nil, invalidParameter("Between 1 and %d task definitions can be deleted at once.", mostDeleted)
	}
	scope := scopeOf(ctx)
	var out *ecs.DeleteTaskDefinitionsOutput
	err := s.write(ctx, func(q meta.Querier) error {
		out = &ecs.DeleteTaskDefinitionsOutput{TaskDefinitions: []types.TaskDefinition{}, Failures: []types.Failure{}}
		for _, given := range in.TaskDefinitions {
			d, err := s.deleteDefinition(ctx, q, scope, given)
			var client *types.ClientException
			switch {
			case errors.As(err, &client):
				out.Failures = append(out.Failures, types.Failure{Arn: to(given), Reason: client.Message})
			case err != nil:
				return err
			default:
				out.TaskDefinitions = append(out.TaskDefinitions, *shownDefinition(d))
			}
		}
		return nil
	})
	return out, err
}

func (s *Service) deleteDefinition(ctx context.Context, q meta.Querier, scope record.Scope, given string) (d record.TaskDefinition, err error) {
	if _, revision, err := parseRevision(scope, given); err != nil || revision == 0 {
		return d, cmpErr(err, clientError("Missing revision."))
	}
	if d, err = findDefinition(ctx, q, scope, given); err != nil {
		return d, err
	}
	switch types.TaskDefinitionStatus(d.Status) {
	case types.TaskDefinitionStatusActive:
		return d, clientError("The specified task definition is still in ACTIVE status. Please deregister the target and try again.")
	case types.TaskDefinitionStatusDeleteInProgress:
		return d, nil
	}
	d.Status, d.Detail.DeleteRequestedAt = string(types.TaskDefinitionStatusDeleteInProgress), to(s.now())
	return d, record.UpdateTaskDefinition(ctx, q, d)
}

func needsDeleteTaskDefinitions(ctx context.Context, in *ecs.DeleteTaskDefinitionsInput) ([]awsapi.Need, error) {
	var needs []awsapi.Need
	for _, given := range in.TaskDefinitions {
		rest, err := named(scopeOf(ctx), "task-definition", given)
		if err != nil {
			return nil, err
		}
		needs = append(needs, need(ctx, "ecs:DeleteTaskDefinitions", resource(scopeOf(ctx), "task-definition", rest)))
	}
	return needs, nil
}

// ListTaskDefinitions lists revisions by family and number, up or down. The
// familyPrefix is a whole family, as it is at Amazon's.
func (s *Service) ListTaskDefinitions(ctx context.Context, in *ecs.ListTaskDefinitionsInput) (*ecs.ListTaskDefinitionsOutput, error) {
	scope, family, status := scopeOf(ctx), deref(in.FamilyPrefix), in.Status
	if status == "" {
		status = types.TaskDefinitionStatusActive
	}
	l := listing{scope, "ListTaskDefinitions", []string{family, string(status), string(in.Sort)}}
	p, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	var from record.Revision
	if p.After != "" {
		at, number, _ := strings.Cut(p.After, ":")
		if from.Number, err = strconv.ParseInt(number, 10, 64); err != nil {
			return nil, invalidParameter("Invalid token %s", *in.NextToken)
		}
		from.Family = at
	}
	list := record.Revisions
	if in.Sort == types.SortOrderDesc {
		list = record.RevisionsDown
	}
	found, err := list(ctx, s.reader(), scope, string(status), family, from, p.Limit)
	if err != nil {
		return nil, fmt.Errorf("list task definitions: %w", err)
	}
	found, next := cut(l, p, found, func(r record.Revision) string { return r.Family + ":" + strconv.FormatInt(r.Number, 10) })
	out := &ecs.ListTaskDefinitionsOutput{TaskDefinitionArns: []string{}, NextToken: next}
	for _, r := range found {
		out.TaskDefinitionArns = append(out.TaskDefinitionArns, definitionARN(scope, r.Family, r.Number))
	}
	return out, nil
}

// ListTaskDefinitionFamilies lists families that begin with a prefix.
func (s *Service) ListTaskDefinitionFamilies(ctx context.Context, in *ecs.ListTaskDefinitionFamiliesInput) (*ecs.ListTaskDefinitionFamiliesOutput, error) {
	scope, prefix, status := scopeOf(ctx), deref(in.FamilyPrefix), string(in.Status)
	if in.Status == types.TaskDefinitionFamilyStatusAll {
		status = ""
	}
	if in.Status == "" {
		status = string(types.TaskDefinitionFamilyStatusActive)
	}
	l := listing{scope, "ListTaskDefinitionFamilies", []string{prefix, status}}
	p, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	names, err := record.Families(ctx, s.reader(), scope, status, prefix, p)
	if err != nil {
		return nil, fmt.Errorf("list families: %w", err)
	}
	names, next := cut(l, p, names, func(n string) string { return n })
	return &ecs.ListTaskDefinitionFamiliesOutput{Families: append([]string{}, names...), NextToken: next}, nil
}
