package services

import (
	"context"
	"errors"
	"fmt"

	"drydock/deploy/record"
	"drydock/storage/meta"
)

// Sweep forgets services that ended an hour ago or before, and task definitions that
// were deleted and that nothing has any more.
func (s *Scheduler) Sweep(ctx context.Context) error {
	return errors.Join(s.sweepServices(ctx), s.sweepDefinitions(ctx))
}

func (s *Scheduler) sweepServices(ctx context.Context) error {
	ended, err := record.EndedServices(ctx, s.o.DB.Reader(), s.o.Now().UnixMilli(), batch)
	if err != nil || len(ended) == 0 {
		return err
	}
	return s.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		for _, e := range ended {
			v, err := record.FindService(ctx, q, e.Scope, e.Cluster, e.Name)
			if errors.Is(err, meta.ErrNotFound) || err == nil && v.Status != "INACTIVE" {
				continue // another has its name now
			}
			if err == nil {
				err = record.ForgetService(ctx, q, v.Scope, v.Cluster, v.Name)
			}
			if err != nil {
				return fmt.Errorf("forget service %s: %w", e.Name, err)
			}
		}
		return nil
	})
}

// sweepDefinitions goes through the task definitions that were deleted. Nothing new can
// be made of one, so what is not used when it is looked at never is again.
func (s *Scheduler) sweepDefinitions(ctx context.Context) error {
	var at record.TaskDefinition
	for {
		deleted, err := record.DeletedTaskDefinitions(ctx, s.o.DB.Reader(), at, batch)
		if err != nil || len(deleted) == 0 {
			return err
		}
		used := map[record.Scope]map[string]bool{} // from after they were deleted
		for _, d := range deleted {
			if used[d.Scope] == nil {
				if used[d.Scope], err = s.ofServices(ctx, d.Scope); err != nil {
					return err
				}
			}
			if err := s.forgetDefinition(ctx, d, used[d.Scope]); err != nil {
				return fmt.Errorf("forget task definition %s:%d: %w", d.Family, d.Revision, err)
			}
		}
		at = deleted[len(deleted)-1]
	}
}

// forgetDefinition deletes the record of a task definition, unless a task has it, or a
// service, as used tells.
func (s *Scheduler) forgetDefinition(ctx context.Context, d record.TaskDefinition, used map[string]bool) error {
	arn := deref(d.Detail.TaskDefinitionArn)
	if used[arn] {
		return nil
	}
	tasks, err := record.TasksOfFamily(ctx, s.o.DB.Reader(), d.Scope, d.Family)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if deref(t.Detail.Shown.TaskDefinitionArn) == arn {
			return nil
		}
	}
	return s.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		if err := meta.DeleteResourceTags(ctx, q, arn); err != nil {
			return err
		}
		return record.DeleteTaskDefinition(ctx, q, d.Scope, d.Family, d.Revision)
	})
}

// ofServices are the ARNs of the task definitions that services have, or go back to
// where that which they are to become fails.
func (s *Scheduler) ofServices(ctx context.Context, scope record.Scope) (map[string]bool, error) {
	used := map[string]bool{}
	var at record.Service
	for {
		list, err := record.ServicesOf(ctx, s.o.DB.Reader(), scope, at, batch)
		if err != nil || len(list) == 0 {
			return used, err
		}
		for _, v := range list {
			used[deref(v.Detail.Shown.TaskDefinition)] = true
			for _, r := range v.Detail.State.Rollouts {
				was, err := record.FindServiceRevision(ctx, s.o.DB.Reader(), v.Scope, v.Cluster, v.Name, r.Revision)
				if err != nil && !errors.Is(err, meta.ErrNotFound) {
					return nil, err
				}
				used[deref(was.Detail.TaskDefinition)] = true
			}
		}
		at = list[len(list)-1]
	}
}
