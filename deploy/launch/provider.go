package launch

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/placement"
)

// Shares are those of a capacity provider strategy.
func Shares(strategy []types.CapacityProviderStrategyItem) []placement.Share {
	list := make([]placement.Share, 0, len(strategy))
	for _, item := range strategy {
		list = append(list, placement.Share{Provider: deref(item.CapacityProvider), Base: int(item.Base), Weight: int(item.Weight)})
	}
	return list
}

// Type is the launch type of the tasks of a capacity provider strategy, which has one
// item or more: Amazon's providers and others are not mixed.
func Type(strategy []types.CapacityProviderStrategyItem) types.LaunchType {
	if strings.HasPrefix(deref(strategy[0].CapacityProvider), "FARGATE") {
		return types.LaunchTypeFargate
	}
	return types.LaunchTypeEc2
}
