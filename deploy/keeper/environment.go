package keeper

import (
	"context"
	"errors"

	"drydock/deploy/machine"
	"drydock/deploy/role"
)

// Environment implements machine.Keeper. A task with a role that cannot be taken on,
// or that could not ask for its credentials, does not start. What the task definition
// says itself of regions and endpoints stays.
func (k *Keeper) Environment(ctx context.Context, t machine.Task, container string) (map[string]string, error) {
	c, err := containerOf(&t, container)
	if err != nil {
		return nil, err
	}
	execution := "AWS_ECS_EC2"
	if t.LaunchType == "FARGATE" {
		execution = "AWS_ECS_FARGATE"
	}
	env := map[string]string{"AWS_REGION": t.Region, "AWS_DEFAULT_REGION": t.Region, "AWS_EXECUTION_ENV": execution}
	if api := k.o.Place.APIURL(); api != "" {
		env["AWS_ENDPOINT_URL"] = api
	}
	for name := range env {
		_, given := c.Environment[name]
		if _, secret := c.Secrets[name]; given || secret {
			delete(env, name)
		}
	}
	if t.RoleARN != "" {
		if err := k.o.Place.Held(); err != nil {
			return nil, &initialization{"the task has a role, whose credentials its containers could not get", err}
		}
		if _, err := k.o.Roles.Take(ctx, &t, t.RoleARN, role.ForTasks); err != nil {
			return nil, err
		}
		id, err := k.o.IDs.Role(t.ARN)
		if err != nil {
			return nil, err
		}
		env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = credentialsPath + id
	}
	if base := k.o.Place.MetadataURL(); base != "" {
		id, err := k.o.IDs.Container(t.ARN, c.Name)
		if err != nil {
			return nil, err
		}
		env["ECS_CONTAINER_METADATA_URI"] = base + "/v3/" + id
		env["ECS_CONTAINER_METADATA_URI_V4"] = base + "/v4/" + id
		env["ECS_AGENT_URI"] = base + "/api/" + id
	}
	return env, nil
}

// credentialsPath is where the credentials of a role are asked for.
const credentialsPath = "/v2/credentials/"

// LogOptions implements machine.Keeper: Docker's own driver sends what containers
// write to this server's CloudWatch Logs, with the execution role's credentials, for
// which it asks where containers ask for theirs.
//
// Source: docker's documentation, "Amazon CloudWatch Logs logging driver".
func (k *Keeper) LogOptions(ctx context.Context, t machine.Task, container string) (map[string]string, error) {
	c, err := containerOf(&t, container)
	if err != nil {
		return nil, err
	}
	if err := k.o.Place.Held(); err != nil {
		return nil, &initialization{"the awslogs driver could not get credentials", err}
	}
	if k.o.LogsEndpoint == "" {
		return nil, &initialization{"the awslogs driver", errors.New("this server has no CloudWatch Logs for it")}
	}
	if _, err := k.execution(ctx, &t, "write logs with the awslogs driver"); err != nil {
		return nil, &initialization{"failed to validate logger args", err}
	}
	id, err := k.o.IDs.ExecutionRole(t.ARN)
	if err != nil {
		return nil, err
	}
	o := map[string]string{"awslogs-endpoint": k.o.LogsEndpoint, "awslogs-credentials-endpoint": credentialsPath + id}
	if c.Log == nil || c.Log.Options["awslogs-region"] == "" {
		o["awslogs-region"] = t.Region
	}
	return o, nil
}
