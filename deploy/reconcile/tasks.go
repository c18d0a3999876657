package reconcile

import (
	"context"
	"errors"
	"fmt"

	"drydock/deploy/launch"
	"drydock/deploy/machine"
	"drydock/deploy/record"
	"drydock/internal/arn"
	"drydock/storage/meta"
)

// Sync starts and stops what the records say, and forgets what stopped long ago.
func (r *Reconciler) Sync(ctx context.Context) error {
	tasks, err := record.OutlinesOfMachine(ctx, r.o.DB.Reader(), r.id)
	if err != nil {
		return fmt.Errorf("list the tasks of the machine: %w", err)
	}
	wanted := make(map[string]bool, len(tasks))
	var failed []error
	for _, t := range tasks {
		arn := taskARN(t)
		wanted[arn] = true
		if s, there := r.state(arn); there && t.Desired != string(machine.Stopped) && !machine.Status(t.Status).Before(s.Status) {
			continue // it is as it should be
		}
		t, err := record.FindTask(ctx, r.o.DB.Reader(), t.Scope, t.Cluster, t.ID)
		if errors.Is(err, meta.ErrNotFound) || err == nil && t.StoppedAt > 0 {
			continue // it has stopped since the list was made
		}
		if err == nil {
			err = r.see(ctx, t)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	failed = append(failed, r.strangers(ctx, wanted), r.purge(ctx))
	return errors.Join(failed...)
}

// taskARN is the ARN of a task.
func taskARN(t record.Task) string {
	return arn.ARN{Service: "ecs", Region: t.Region, Account: t.Account, Resource: "task/" + t.Cluster + "/" + t.ID}.String()
}

// see to a task that has not stopped.
func (r *Reconciler) see(ctx context.Context, t record.Task) error {
	arn := t.Detail.Spec.ARN
	s, there := r.state(arn)
	switch {
	case t.Desired == string(machine.Stopped):
		if there && s.Status == machine.Stopped {
			r.told(ctx, s) // it was not taken in then
			return nil
		}
		if !there && !machine.Pending.Before(machine.Status(t.Status)) {
			// It was to end before it began.
			r.told(ctx, machine.State{ARN: arn, Status: machine.Stopped, StoppedAt: r.o.Now(), StopCode: t.Detail.StopCode, Reason: t.Detail.StopReason})
			return nil
		}
		if err := r.machine.Stop(ctx, arn, t.Detail.StopCode, t.Detail.StopReason); err != nil {
			return fmt.Errorf("stop task %s: %w", arn, err)
		}
	case !there && machine.Pending.Before(machine.Status(t.Status)):
		r.gone(ctx, arn)
	case !there:
		if err := r.machine.Start(ctx, t.Detail.Spec); err != nil {
			return fmt.Errorf("start task %s: %w", arn, err)
		}
		r.mu.Lock()
		if _, told := r.known[arn]; !told {
			r.known[arn] = machine.State{ARN: arn, Status: machine.Status(t.Status)}
		}
		r.mu.Unlock()
	case machine.Status(t.Status).Before(s.Status):
		r.told(ctx, s)
	}
	return nil
}

// strangers stops what the machine has and no record wants.
func (r *Reconciler) strangers(ctx context.Context, wanted map[string]bool) error {
	r.mu.Lock()
	var unwanted []machine.State
	for arn, s := range r.known {
		if !wanted[arn] {
			unwanted = append(unwanted, s)
		}
	}
	r.mu.Unlock()
	var failed []error
	for _, s := range unwanted {
		t, err := r.find(ctx, r.o.DB.Reader(), s.ARN)
		switch {
		case err != nil && !errors.Is(err, meta.ErrNotFound):
			failed = append(failed, err)
			continue
		case err == nil && t.StoppedAt == 0 && t.Machine == r.id:
			continue // it has come since the list was made
		}
		if s.Status != machine.Stopped {
			if err := r.machine.Stop(ctx, s.ARN, machine.TerminationNotice, "No record tells of this task."); err != nil {
				failed = append(failed, fmt.Errorf("stop task %s: %w", s.ARN, err))
			}
			continue
		}
		if err == nil && r.o.Now().UnixMilli()-t.StoppedAt < keptFor.Milliseconds() {
			continue // it is kept to be looked at
		}
		if err := r.machine.Forget(ctx, s.ARN); err != nil {
			failed = append(failed, fmt.Errorf("forget task %s: %w", s.ARN, err))
			continue
		}
		r.forget(s.ARN)
	}
	return errors.Join(failed...)
}

// purge deletes the records of tasks that stopped long ago.
func (r *Reconciler) purge(ctx context.Context) error {
	old, err := record.StoppedTasks(ctx, r.o.DB.Reader(), r.o.Now().Add(-keptFor).UnixMilli(), purgeSize)
	if err != nil || len(old) == 0 {
		return err
	}
	return r.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		for _, t := range old {
			if err := record.DeleteTask(ctx, q, t.Scope, t.Cluster, t.ID); err != nil {
				return err
			}
			if err := meta.DeleteResourceTags(ctx, q, t.Detail.Spec.ARN); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *Reconciler) find(ctx context.Context, q meta.Querier, arn string) (record.Task, error) {
	scope, cluster, id, ok := owner(arn)
	if !ok {
		return record.Task{}, meta.ErrNotFound
	}
	return record.FindTask(ctx, q, scope, cluster, id)
}

// told takes in what the machine tells of a task. What cannot be recorded now is
// taken in by the next Sync, for it is remembered.
func (r *Reconciler) told(ctx context.Context, s machine.State) {
	r.note(s)
	woken := false
	err := r.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		woken = false
		t, err := r.find(ctx, q, s.ARN)
		if errors.Is(err, meta.ErrNotFound) {
			return nil // strangers sees to it
		}
		if err != nil {
			return err
		}
		if t.Machine != r.id || !launch.Apply(&t, s, r.o.Now()) {
			return nil
		}
		if err := record.UpdateTask(ctx, q, t); err != nil {
			return err
		}
		if t.Service != "" {
			woken = true
			return record.Wake(ctx, q, t.Scope, t.Cluster, t.Service, r.o.Now().UnixMilli())
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		r.o.Log.WarnContext(ctx, "what a machine told of a task could not be recorded yet", "task", s.ARN, "status", s.Status, "error", err)
	}
	if woken {
		r.o.Woken()
	}
}
