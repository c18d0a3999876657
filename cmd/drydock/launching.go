package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
)

// launching is what `drydock run` is asked for.
type launching struct {
	image, cluster                string
	cpu, memory                   int32
	ports, environment, command   []string
	role, executionRole, logGroup string
	commands, remove, detach      bool
}

// The role as which ECS pulls images where nobody named another, and what it may do.
// Source: Amazon ECS Developer Guide, "Amazon ECS task execution IAM role".
const (
	usualRole   = "ecsTaskExecutionRole"
	usualPolicy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
	usualTrust  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// register makes a task definition, and returns its ARN and the name of its container.
func (l launcher) register(ctx context.Context, o launching) (arn, container string, err error) {
	c := types.ContainerDefinition{Cpu: o.cpu, Memory: &o.memory, Command: o.command, Essential: aws.Bool(true)}
	if c.PortMappings, err = portsOf(o.ports); err != nil {
		return "", "", err
	}
	if c.Environment, err = environmentOf(o.environment); err != nil {
		return "", "", err
	}
	image, family, own, err := l.imageOf(ctx, o.image)
	if err != nil {
		return "", "", err
	}
	c.Image, c.Name = &image, aws.String(family[strings.LastIndex(family, "/")+1:])
	in := &ecs.RegisterTaskDefinitionInput{Family: aws.String(dashed(family)), NetworkMode: types.NetworkModeBridge}
	c.Name = aws.String(dashed(*c.Name))
	if o.role != "" {
		in.TaskRoleArn = &o.role
	}
	if o.executionRole == "" && (own || o.logGroup != "") {
		if o.executionRole, err = l.usualRole(ctx); err != nil {
			return "", "", err
		}
	}
	if o.executionRole != "" {
		in.ExecutionRoleArn = &o.executionRole
	}
	if o.logGroup != "" {
		if err := l.makeGroup(ctx, o.logGroup); err != nil {
			return "", "", err
		}
		c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": o.logGroup, "awslogs-region": l.settings.Region, "awslogs-stream-prefix": "run",
		}}
	}
	in.ContainerDefinitions = []types.ContainerDefinition{c}
	out, err := l.RegisterTaskDefinition(ctx, in)
	if err != nil {
		return "", "", said(err)
	}
	return aws.ToString(out.TaskDefinition.TaskDefinitionArn), *c.Name, nil
}

// imageOf is an image as a task definition has it, its repository without the host,
// and whether that is one of the registry's.
func (l launcher) imageOf(ctx context.Context, given string) (image, repository string, own bool, err error) {
	repository, _, _ = strings.Cut(given, "@")
	if i := strings.LastIndex(repository, ":"); i > strings.LastIndex(repository, "/") {
		repository = repository[:i]
	}
	reference := given[len(repository):]
	if host, rest, ok := strings.Cut(repository, "/"); ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		// Whose it is, the server knows; the registry's own are asked for by their name.
		uri, err := l.uriOf(ctx, rest)
		return given, rest, err == nil && hostOf(uri) == host, nil
	}
	uri, err := l.uriOf(ctx, repository)
	if err != nil {
		return "", "", false, err
	}
	if reference == "" {
		reference = ":latest"
	}
	return uri + reference, repository, true, nil
}

func hostOf(uri string) string {
	host, _, _ := strings.Cut(uri, "/")
	return host
}

func (l launcher) uriOf(ctx context.Context, repository string) (string, error) {
	out, err := ecr.NewFromConfig(l.settings).DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{repository}})
	if err != nil {
		return "", said(err)
	}
	if len(out.Repositories) == 0 {
		return "", fmt.Errorf("there is no repository %s", repository)
	}
	return aws.ToString(out.Repositories[0].RepositoryUri), nil
}

var undashed = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)

// dashed makes a name of a family or a container of any text.
func dashed(name string) string { return undashed.ReplaceAllString(name, "-") }

// usualRole is the ARN of the usual execution role, which is made where there is
// none. Errors: the caller may not, and what to do then.
func (l launcher) usualRole(ctx context.Context) (string, error) {
	client := iam.NewFromConfig(l.settings)
	found, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(usualRole)})
	var none *iamtypes.NoSuchEntityException
	switch {
	case err == nil:
		return aws.ToString(found.Role.Arn), nil
	case !errors.As(err, &none):
		return "", advised(err)
	}
	made, err := client.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String(usualRole), AssumeRolePolicyDocument: aws.String(usualTrust), Description: aws.String("Pulls images and writes logs for tasks"),
	})
	if err != nil {
		return "", advised(err)
	}
	if _, err := client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String(usualRole), PolicyArn: aws.String(usualPolicy)}); err != nil {
		return "", advised(err)
	}
	fmt.Fprintln(l.err, "drydock: made the role", usualRole)
	return aws.ToString(made.Role.Arn), nil
}

// advised says what to do where the usual role cannot be had.
func advised(err error) error {
	var e smithy.APIError
	if errors.As(err, &e) && strings.HasPrefix(e.ErrorCode(), "AccessDenied") {
		return fmt.Errorf("name the role as which the image is pulled with --execution-role, or have somebody who may make %s, trusted by ecs-tasks.amazonaws.com and with the policy %s: %w", usualRole, usualPolicy, said(err))
	}
	return fmt.Errorf("look for the role %s: %w", usualRole, said(err))
}

// makeGroup makes a log group where there is none.
func (l launcher) makeGroup(ctx context.Context, name string) error {
	_, err := cloudwatchlogs.NewFromConfig(l.settings).CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name})
	var there *logstypes.ResourceAlreadyExistsException
	if err == nil || errors.As(err, &there) {
		return nil
	}
	return fmt.Errorf("make the log group %s: %w", name, said(err))
}

// portsOf reads ports to publish.
func portsOf(given []string) (ports []types.PortMapping, err error) {
	for _, g := range given {
		text, protocol, _ := strings.Cut(g, "/")
		host, container, both := strings.Cut(text, ":")
		if !both {
			host, container = "0", text
		}
		c, err := strconv.ParseUint(container, 10, 16)
		h, otherErr := strconv.ParseUint(host, 10, 16)
		if err != nil || otherErr != nil || c == 0 || protocol != "" && protocol != "tcp" && protocol != "udp" {
			return nil, fmt.Errorf("--port: %q is not CONTAINER or HOST:CONTAINER, such as 8080:80", g)
		}
		m := types.PortMapping{ContainerPort: aws.Int32(int32(c)), HostPort: aws.Int32(int32(h)), Protocol: types.TransportProtocolTcp}
		if protocol == "udp" {
			m.Protocol = types.TransportProtocolUdp
		}
		ports = append(ports, m)
	}
	return ports, nil
}

// environmentOf reads environment variables.
func environmentOf(given []string) (all []types.KeyValuePair, err error) {
	for _, g := range given {
		name, value, ok := strings.Cut(g, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--env: %q is not NAME=VALUE", g)
		}
		all = append(all, types.KeyValuePair{Name: &name, Value: &value})
	}
	return all, nil
}
