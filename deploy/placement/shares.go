package placement

import "strings"

// Share is the part that a capacity provider has in a strategy: the first Base tasks
// and of those beyond them as many as Weight is of all weights. A strategy of one
// provider gives it everything.
// Source: API reference, CapacityProviderStrategyItem.
type Share struct {
	// Provider is empty where tasks go to instances of any.
	Provider     string
	Base, Weight int
}

// instances is the provider whose instances may be used: Amazon's own stand for every
// machine.
func (s Share) instances() string {
	if strings.HasPrefix(s.Provider, "FARGATE") {
		return ""
	}
	return s.Provider
}

// Allot gives each of n further tasks to a provider. have is how many each of them has
// already.
func Allot(shares []Share, have map[string]int, n int) []string {
	got := make([]int, len(shares))
	for i, s := range shares {
		got[i] = have[s.Provider]
	}
	list := make([]string, 0, n)
	for range n {
		i := next(shares, got)
		got[i]++
		list = append(list, shares[i].Provider)
	}
	return list
}

// next is the share that the next task falls to: the one whose base is not yet
// reached, or else the one that lies furthest behind its weight.
func next(shares []Share, got []int) int {
	best := -1
	for i, s := range shares {
		switch {
		case got[i] < s.Base:
			return i
		case len(shares) > 1 && s.Weight == 0:
		case best < 0 || (got[i]-s.Base+1)*shares[best].Weight < (got[best]-shares[best].Base+1)*s.Weight:
			best = i
		}
	}
	return max(best, 0)
}

// PlaceShares finds places for the tasks of a request as Place does, shared out among
// the capacity providers of a strategy. A task that its provider has no place for goes
// to no other.
//
// Errors: ErrNoRandomness.
func PlaceShares(f *Fleet, req *Request, shares []Share, have map[string]int, rnd Random) (*Result, error) {
	if len(shares) == 0 {
		shares = []Share{{}}
	}
	providers := Allot(shares, have, req.Count)
	all := &Result{ofProvider: shares[0].instances() != ""}
	for _, from := range kinds(shares) {
		var mine []string
		for _, p := range providers {
			if (Share{Provider: p}).instances() == from {
				mine = append(mine, p)
			}
		}
		if len(mine) == 0 {
			continue
		}
		one := *req
		one.Count, one.CapacityProvider = len(mine), from
		r, err := Place(f, &one, rnd)
		if err != nil {
			return nil, err
		}
		for i := range r.Placed {
			r.Placed[i].Provider = mine[i]
		}
		if all.Unplaced == 0 && r.Unplaced > 0 {
			all.closest = len(all.Failures) + r.closest
		}
		all.Placed, all.Failures, all.Unplaced = append(all.Placed, r.Placed...), append(all.Failures, r.Failures...), all.Unplaced+r.Unplaced
	}
	return all, nil
}

// kinds are the different instances that shares go to, in their order.
func kinds(shares []Share) (list []string) {
	seen := map[string]bool{}
	for _, s := range shares {
		if from := s.instances(); !seen[from] {
			seen[from] = true
			list = append(list, from)
		}
	}
	return list
}
