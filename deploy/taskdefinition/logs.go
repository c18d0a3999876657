package taskdefinition

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// checkLog checks the log configuration. What the drivers other than awslogs take is
// Docker's affair.
func checkLog(d *types.TaskDefinition, c *types.ContainerDefinition) error {
	l := c.LogConfiguration
	if l == nil {
		return nil
	}
	switch {
	case l.LogDriver == types.LogDriverAwsfirelens:
		return unsupported("There is no FireLens here: container '%s' can have the log driver awslogs or one of Docker's.", *c.Name)
	case !slices.Contains(l.LogDriver.Values(), l.LogDriver):
		return wrong("Invalid log driver %q of container '%s'.", l.LogDriver, *c.Name)
	case isFargate(d) && l.LogDriver != types.LogDriverAwslogs && l.LogDriver != types.LogDriverSplunk:
		return wrong("Fargate supports only the log drivers awslogs, splunk and awsfirelens: container '%s' has %s.", *c.Name, l.LogDriver)
	}
	if m, given := l.Options["mode"]; given && m != "blocking" && m != "non-blocking" {
		return wrong("Invalid log mode %q of container '%s': it is blocking or non-blocking.", m, *c.Name)
	}
	if l.LogDriver != types.LogDriverAwslogs {
		return nil
	}
	for _, o := range []string{"awslogs-group", "awslogs-region"} {
		if l.Options[o] == "" {
			return wrong("Log driver awslogs requires options: awslogs-region, awslogs-group.")
		}
	}
	if isFargate(d) && l.Options["awslogs-stream-prefix"] == "" {
		return wrong("Log driver awslogs requires the option awslogs-stream-prefix on Fargate: container '%s'.", *c.Name)
	}
	for o := range l.Options {
		if !slices.Contains(logOptions, o) {
			return wrong("Log driver awslogs disallows options: %s", o)
		}
	}
	return nil
}

// logOptions are the options of awslogs. Where logs go and with whose credentials is
// not the task definition's to say.
// Source: Amazon ECS Developer Guide, "Send Amazon ECS logs to CloudWatch".
var logOptions = []string{
	"awslogs-create-group", "awslogs-datetime-format", "awslogs-group", "awslogs-multiline-pattern", "awslogs-region",
	"awslogs-stream-prefix", "max-buffer-size", "mode",
}
