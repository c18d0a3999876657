package schedule

import (
	"errors"
	"slices"
)

// Phase is a rollout's, as ECS has it for rolloutState.
type Phase string

// The values of Phase.
const (
	InProgress Phase = "IN_PROGRESS"
	Completed  Phase = "COMPLETED"
	Failed     Phase = "FAILED"
)

// State is what is to be remembered of a service between decisions. It is kept with
// the service's record, as JSON.
type State struct {
	// Rollouts begin with the one that the service is to be like, which ECS calls
	// PRIMARY; the others are those that it still has tasks of, and the one to go
	// back to.
	Rollouts []Rollout
	// Completed is the id of the last rollout that has completed.
	Completed string
	// Steady is set while there is nothing to be done, Balancing while availability
	// zones are being balanced.
	Steady, Balancing bool
	// Trouble is the event that was told of last of what is in the way, and Waits
	// how often places were looked for in vain since.
	Trouble string
	Waits   int
}

// Rollout is a deployment as DescribeServices shows it.
type Rollout struct {
	// ID is such as ecs-svc/1234567890123456789, Revision the id of the service
	// revision.
	ID, Revision string
	Phase        Phase
	Reason       string
	// RollingBack is set when it is gone back to, and Cause is why then.
	RollingBack bool
	Cause       string
	// Failed is how many tasks have failed.
	Failed int
	// Young are the tasks that have not yet been healthy.
	Young []string
	// Streak is how many tasks have failed since one was healthy, Step how often
	// that has made it wait, and RetryAt until when it waits, in milliseconds since
	// 1970.
	Streak, Step int
	RetryAt      int64
}

func (s State) clone() State {
	s.Rollouts = slices.Clone(s.Rollouts)
	for i := range s.Rollouts {
		s.Rollouts[i].Young = slices.Clone(s.Rollouts[i].Young)
	}
	return s
}

func (r *Rollout) forget(task string) {
	r.Young = slices.DeleteFunc(r.Young, func(id string) bool { return id == task })
}

// Young are the tasks of which a decision has to know how they ended.
func (s State) Young() []string {
	if len(s.Rollouts) == 0 {
		return nil
	}
	return s.Rollouts[0].Young
}

// Begin makes a new rollout that the service is to be like.
func (s *State) Begin(id, revision string) {
	s.lead(Rollout{ID: id, Revision: revision, Phase: InProgress, Reason: "ECS deployment " + id + " in progress."})
}

// lead puts a rollout first.
func (s *State) lead(r Rollout) {
	for i := range s.Rollouts {
		s.Rollouts[i].Young = nil
	}
	s.Rollouts = append([]Rollout{r}, s.Rollouts...)
	s.Steady, s.Balancing, s.Trouble, s.Waits = false, false, "", 0
}

// ErrNoWayBack is returned when there is no rollout to go back to.
var ErrNoWayBack = errors.New("no deployment of the service has completed that it could go back to")

// RollBack goes back to the last rollout that has completed. reason is for the one
// that is given up, back for the other. Errors: ErrNoWayBack.
func (s *State) RollBack(reason, back string) error {
	i := slices.IndexFunc(s.Rollouts, func(r Rollout) bool { return r.ID == s.Completed })
	if i < 1 {
		return ErrNoWayBack
	}
	old := s.Rollouts[i]
	s.Rollouts = slices.Delete(s.Rollouts, i, i+1)
	s.Rollouts[0].Phase, s.Rollouts[0].Reason = Failed, reason
	s.lead(Rollout{ID: old.ID, Revision: old.Revision, Phase: InProgress, Reason: back + old.ID + ".", RollingBack: true, Cause: reason})
	return nil
}

// prune forgets the rollouts that have no tasks left, but for the first, the one to go
// back to, and those that failed while that is being done.
func (s *State) prune(tasks []Task) {
	first := s.Rollouts[0]
	s.Rollouts = slices.DeleteFunc(s.Rollouts, func(r Rollout) bool {
		if r.ID == first.ID || r.ID == s.Completed || r.Phase == Failed && first.RollingBack {
			return false
		}
		return !slices.ContainsFunc(tasks, func(t Task) bool { return t.Deployment == r.ID })
	})
}
