package launch

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Provider is the capacity provider that a strategy comes down to, and its launch
// type: of several, the one that the most tasks are to go to. The strategy is not
// empty.
func Provider(strategy []types.CapacityProviderStrategyItem) (types.LaunchType, string) {
	first := slices.MaxFunc(strategy, func(a, b types.CapacityProviderStrategyItem) int {
		return int(a.Base-b.Base)*1000 + int(a.Weight-b.Weight)
	})
	if p := *first.CapacityProvider; strings.HasPrefix(p, "FARGATE") {
		return types.LaunchTypeFargate, p
	} else {
		return types.LaunchTypeEc2, p
	}
}
