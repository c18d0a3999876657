package machine

import "context"

// Keeper has for a machine what a task needs and nobody may write down, and what
// only the server knows. Its refusals are meant for the task's reason: they are
// shown to whoever asks why the task stopped.
type Keeper interface {
	// Image is under which address the engine of this machine pulls an image of
	// the server's own registry, pinned to a digest, and with which password, on
	// behalf of the task's execution role. Errors: that there is no such image,
	// and what the policies of the role say.
	Image(ctx context.Context, t Task, image RepositoryImage) (Pull, error)
	// Secrets are the values of a container's Secrets and of its EnvironmentFiles,
	// as environment variables, and those of its log driver's SecretOptions.
	Secrets(ctx context.Context, t Task, container string) (environment, logOptions map[string]string, err error)
	// Environment is what every container of ECS finds in its environment: the
	// addresses of metadata and credentials. It is the same each time for the same
	// container.
	Environment(ctx context.Context, t Task, container string) (map[string]string, error)
	// LogOptions are what the awslogs driver needs beside the options that the
	// task definition has: where the server is and whose credentials to use.
	LogOptions(ctx context.Context, t Task, container string) (map[string]string, error)
}

// Pull is an image as the engine is asked for it.
type Pull struct {
	// Address is host/name@digest, Digest the last part of it.
	Address, Digest string
	// User and Password are for the registry at Host.
	Host, User, Password string
}
