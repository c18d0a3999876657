package taskdefinition

import (
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

var role = regexp.MustCompile(`^arn:aws:iam::[0-9]{10,12}:role/[\x21-\x7e]*[\w+=,.@-]{1,64}$|^[\w+=,.@-]{1,64}$`)

// checkRoles checks the form of the roles, and that there is one where it is needed.
func checkRoles(d *types.TaskDefinition) error {
	for _, r := range []*string{d.TaskRoleArn, d.ExecutionRoleArn} {
		if deref(r) != "" && !role.MatchString(*r) {
			return wrong("Role is not valid: %q is neither the ARN of a role nor its name.", *r)
		}
	}
	if deref(d.ExecutionRoleArn) != "" {
		return nil
	}
	for _, c := range d.ContainerDefinitions {
		switch {
		case len(c.Secrets) > 0 || c.LogConfiguration != nil && len(c.LogConfiguration.SecretOptions) > 0:
			return wrong("When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.")
		case isFargate(d) && len(c.EnvironmentFiles) > 0:
			return wrong("When you are specifying environment files, you must also specify a value for 'executionRoleArn'.")
		case isFargate(d) && strings.Contains(*c.Image, ".dkr.ecr."):
			return wrong("Fargate requires task definition to have execution role ARN to support ECR images.")
		case isFargate(d) && c.LogConfiguration != nil && c.LogConfiguration.LogDriver == types.LogDriverAwslogs:
			return wrong("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
		}
	}
	return nil
}
