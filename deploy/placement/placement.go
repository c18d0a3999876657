// Package placement decides on which container instance a task of Amazon ECS is
// to run, which task of a service is to stop first, and which move would balance
// a service's availability zones again.
//
// A Fleet holds what is known of a cluster's container instances and their tasks,
// and keeps its indexes as they change. Place, PlaceOn, Suitable, StopFirst and
// Rebalance read a fleet and answer; they change nothing, do no I/O and know no
// clock. Randomness comes in through a parameter; all else is decided. Among
// instances that the strategies leave equal, the one with the fewest tasks of the
// group is taken (when stopping, the one with the most), and then the one with the
// smallest id.
//
// The rules are those of the ECS developer guide: "How Amazon ECS places tasks on
// container instances", "Use strategies to define Amazon ECS task placement",
// "Update Amazon ECS service parameters" and "Balancing an Amazon ECS service
// across Availability Zones". Where they are silent, the choice is told beside
// the code that makes it.
package placement

// Random is a source of randomness, such as *rand.Rand of math/rand/v2.
type Random interface {
	// IntN is a number from 0 up to, not including, n, which is at least 1.
	IntN(n int) int
}
