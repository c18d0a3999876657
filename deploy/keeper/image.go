package keeper

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"drydock/auth/identity"
	"drydock/deploy/machine"
	"drydock/deploy/role"
	"drydock/internal/arn"
	"drydock/storage"
)

// userName is the user that every registry password belongs to.
const userName = "AWS"

// Image implements machine.Keeper. The permissions are those that ECS's agent needs of
// ECR; whether there is an image is told to those only who have them.
//
// An image for several platforms stays one: the engine chooses.
func (k *Keeper) Image(ctx context.Context, t machine.Task, image machine.RepositoryImage) (machine.Pull, error) {
	as, err := k.puller(ctx, &t)
	if err != nil {
		return machine.Pull{}, err
	}
	repository := arn.Repository(image.Account, image.Region, image.Name)
	for _, need := range []struct{ action, on string }{
		{"ecr:GetAuthorizationToken", "*"}, {"ecr:BatchGetImage", repository}, {"ecr:GetDownloadUrlForLayer", repository},
	} {
		if err := k.o.Roles.Authorize(ctx, &t, as, need.action, need.on); err != nil {
			return machine.Pull{}, err
		}
	}
	ref := storage.Ref{Scope: storage.Scope{Account: image.Account, Region: image.Region}, Name: image.Name}
	m, err := k.find(ctx, ref, which(image.Reference), func(action string) error { return k.o.Roles.Authorize(ctx, &t, as, action, repository) })
	if err != nil {
		return machine.Pull{}, err
	}
	password, _, err := k.o.Passwords.Password(ctx, as.Principal, image.Account, image.Region)
	if err != nil {
		return machine.Pull{}, fmt.Errorf("make a password to pull with: %w", err)
	}
	return machine.Pull{
		Address: k.o.Door.RepositoryURI(image.Account, image.Region, image.Name) + "@" + m.Digest.String(), Digest: m.Digest.String(),
		Host: k.o.Door.Host(image.Account, image.Region), User: userName, Password: password,
	}, nil
}

// find finds an image here or, where there is a rule for it, upstream. allow decides
// what the task's role may do to the repository. The engine is then given the layers
// from there by the registry, which asks the same of the role.
func (k *Keeper) find(ctx context.Context, ref storage.Ref, which storage.Reference, allow func(action string) error) (storage.Manifest, error) {
	m, err := k.o.Engine.Manifest(ctx, ref, which)
	switch {
	case k.o.Upstream == nil:
	case storage.IsMissing(err):
		return k.o.Upstream.Manifest(ctx, ref, which, err, allow)
	case err == nil && which.Tag != "":
		return k.o.Upstream.Fresh(ctx, ref, which.Tag, m, allow), nil
	}
	return m, err
}

// puller is who pulls a task's images.
func (k *Keeper) puller(ctx context.Context, t *machine.Task) (identity.Credentials, error) {
	as, err := k.execution(ctx, t, "pull from this registry")
	var none *noExecutionRoleError
	if !errors.As(err, &none) || k.o.MachineRole == "" || t.LaunchType == "FARGATE" {
		return as, err
	}
	return k.o.Roles.Take(ctx, t, k.o.MachineRole, role.ForMachine)
}

// which reads the tag or the digest of an image.
func which(reference string) storage.Reference {
	if strings.Contains(reference, ":") {
		return storage.Reference{Digest: digest.Digest(reference)}
	}
	return storage.Reference{Tag: reference}
}
