package deploy

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// The sentences are Amazon's where they could be found, from what the CLI prints.

func clientError(format string, args ...any) error {
	return &types.ClientException{Message: to(fmt.Sprintf(format, args...))}
}

func invalidParameter(format string, args ...any) error {
	return &types.InvalidParameterException{Message: to(fmt.Sprintf(format, args...))}
}

// unsupported refuses a setting that nothing here would obey.
func unsupported(format string, args ...any) error {
	return &types.UnsupportedFeatureException{Message: to(fmt.Sprintf(format, args...))}
}

func clusterNotFound() error {
	return &types.ClusterNotFoundException{Message: to("Cluster not found.")}
}
