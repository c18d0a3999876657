package placement

import (
	"fmt"
	"strings"
)

// The types of placement strategies.
const (
	Spread   = "spread"
	Binpack  = "binpack"
	AtRandom = "random"
)

// Strategy is how one is chosen among the instances that could take a task.
// Several are applied in their order, each to what the one before leaves equal.
type Strategy struct {
	kind string
	// attribute is what spread goes by; empty when it is the instance itself.
	attribute string
	// memory: binpack goes by memory, and else by CPU.
	memory bool
}

// NewStrategy reads a placement strategy: spread over instanceId, host or
// attribute:NAME, binpack of cpu or memory, or random, whose field is not used.
// Errors are plain ones.
func NewStrategy(kind, field string) (Strategy, error) {
	switch kind {
	case AtRandom:
		return Strategy{kind: kind}, nil
	case Binpack:
		switch strings.ToLower(field) {
		case "cpu":
			return Strategy{kind: kind}, nil
		case "memory":
			return Strategy{kind: kind, memory: true}, nil
		}
		return Strategy{}, fmt.Errorf("the field of the placement strategy %s is cpu or memory, not %q", kind, field)
	case Spread:
		if field == "instanceId" || field == "host" {
			return Strategy{kind: kind}, nil
		}
		if name, ok := strings.CutPrefix(field, "attribute:"); ok && name != "" {
			return Strategy{kind: kind, attribute: name}, nil
		}
		return Strategy{}, fmt.Errorf("the field of the placement strategy %s is instanceId, host or attribute:NAME, not %q", kind, field)
	}
	return Strategy{}, fmt.Errorf("a placement strategy is of type %s, %s or %s, not %q", AtRandom, Spread, Binpack, kind)
}

// ServiceDefault is what ECS does for a service that has no strategy of its own:
// it balances the availability zones, and prefers within them the instances with
// the fewest tasks of the service.
func ServiceDefault() []Strategy {
	return []Strategy{{kind: Spread, attribute: ZoneAttribute}, {kind: Spread}}
}

// SpreadsZonesFirst reports whether the strategies balance availability zones
// before all else, which a service has to for its zones to be rebalanced. None
// at all do, by ServiceDefault.
func SpreadsZonesFirst(s []Strategy) bool {
	return len(s) == 0 || s[0].kind == Spread && s[0].attribute == ZoneAttribute
}
