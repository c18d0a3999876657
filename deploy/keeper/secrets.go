package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/deploy/machine"
	"drydock/deploy/secret"
)

// initialization is a refusal in the words of ECS: what could not be had, and why.
// Its text begins with the kind of error that ECS shows.
type initialization struct {
	what string
	err  error
}

func (e *initialization) Error() string {
	return "ResourceInitializationError: " + e.what + ": " + e.err.Error()
}
func (e *initialization) Unwrap() error { return e.err }

// What the sentences of ECS begin with.
const (
	noSecrets     = "unable to pull secrets or registry auth"
	noFiles       = "failed to download env files"
	retrieval     = "execution resource retrieval failed: "
	fromManager   = retrieval + "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret %s from secrets manager: %w"
	fromSSM       = retrieval + "unable to retrieve secrets from ssm: service call has been retried 1 time(s): %w"
	withoutRole   = retrieval + "%w"
	refusedAccess = "AccessDeniedException: %w"
)

// Secrets implements machine.Keeper. Of variables that are in several places, those of
// secrets go before those of files, and of files the first.
func (k *Keeper) Secrets(ctx context.Context, t machine.Task, container string) (environment, logOptions map[string]string, err error) {
	c, err := containerOf(&t, container)
	if err != nil {
		return nil, nil, err
	}
	environment, logOptions = map[string]string{}, map[string]string{}
	for _, file := range slices.Backward(c.EnvironmentFiles) {
		env, err := k.file(ctx, &t, file)
		if err != nil {
			return nil, nil, &initialization{noFiles, err}
		}
		maps.Copy(environment, env)
	}
	var logs map[string]string
	if c.Log != nil {
		logs = c.Log.SecretOptions
	}
	for _, group := range []struct{ from, to map[string]string }{{c.Secrets, environment}, {logs, logOptions}} {
		for _, name := range slices.Sorted(maps.Keys(group.from)) {
			if group.to[name], err = k.secret(ctx, &t, group.from[name]); err != nil {
				return nil, nil, &initialization{noSecrets, err}
			}
		}
	}
	return environment, logOptions, nil
}

func (k *Keeper) secret(ctx context.Context, t *machine.Task, given string) (string, error) {
	as, err := k.execution(ctx, t, "read secrets")
	if err != nil {
		return "", fmt.Errorf(withoutRole, err)
	}
	r, err := secret.ParseReference(t.Account, t.Region, given)
	if err == nil && r.Service == secret.Files {
		err = fmt.Errorf("%q is the ARN of neither a parameter nor a secret", given)
	}
	if err != nil {
		return "", fmt.Errorf(withoutRole, err)
	}
	if r.Service == secret.SystemsManager {
		return k.parameter(ctx, t, as, r)
	}
	text, err := k.managed(ctx, t, as, r)
	if err != nil {
		return "", fmt.Errorf(fromManager, r.Asked, err)
	}
	if r.JSONKey == "" {
		return text, nil
	}
	return member(text, r)
}

// fetch finds a secret, if the role may have it. Whether there is one, it is told only
// then.
func (k *Keeper) fetch(ctx context.Context, t *machine.Task, as identity.Credentials, action string, r secret.Reference) (secret.Secret, error) {
	v, err := k.o.Secrets.Find(ctx, r)
	on := r.Asked
	switch {
	case err == nil:
		on = v.ARN(r.Service)
	case !errors.Is(err, secret.ErrUnknown):
		return v, err
	case r.Service == secret.SystemsManager:
		on = secret.Secret{Key: r.Key}.ARN(r.Service)
	}
	var denied *auth.DeniedError
	if refused := k.o.Roles.Authorize(ctx, t, as, action, on); errors.As(refused, &denied) {
		return v, fmt.Errorf(refusedAccess, refused)
	} else if refused != nil {
		return v, refused
	}
	return v, err
}

func (k *Keeper) parameter(ctx context.Context, t *machine.Task, as identity.Credentials, r secret.Reference) (string, error) {
	v, err := k.fetch(ctx, t, as, "ssm:GetParameters", r)
	if errors.Is(err, secret.ErrUnknown) {
		return "", fmt.Errorf(retrieval+"unable to retrieve secrets from ssm: invalid ssm parameters: %s", r.Asked)
	}
	if err != nil {
		return "", fmt.Errorf(fromSSM, err)
	}
	return v.Current.Text, nil
}

func (k *Keeper) managed(ctx context.Context, t *machine.Task, as identity.Credentials, r secret.Reference) (string, error) {
	v, err := k.fetch(ctx, t, as, "secretsmanager:GetSecretValue", r)
	if errors.Is(err, secret.ErrUnknown) {
		return "", errors.New("ResourceNotFoundException: Secrets Manager can't find the specified secret.")
	}
	if err != nil {
		return "", err
	}
	version, err := v.Version(r.Stage, r.Version)
	if err != nil {
		return "", fmt.Errorf("ResourceNotFoundException: Secrets Manager can't find the specified secret value for %s", chosen(r))
	}
	return version.Text, nil
}

func chosen(r secret.Reference) string {
	if r.Version != "" {
		return "VersionId: " + r.Version
	}
	return "staging label: " + r.Stage
}

// member is a part of a secret that is a JSON object.
func member(text string, r secret.Reference) (string, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		// What it says is not repeated: it may be part of the secret.
		return "", fmt.Errorf(retrieval+"the secret %s is not a JSON object, of which a key could be taken", r.Asked)
	}
	v, ok := all[r.JSONKey]
	if !ok {
		return "", fmt.Errorf(retrieval+"retrieved secret from Secrets Manager did not contain json key %s", r.JSONKey)
	}
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s, nil
	}
	return string(v), nil
}

func (k *Keeper) file(ctx context.Context, t *machine.Task, given string) (map[string]string, error) {
	as, err := k.execution(ctx, t, "read environment files")
	if err != nil {
		return nil, err
	}
	r, err := secret.ParseReference(t.Account, t.Region, given)
	if err == nil && r.Service != secret.Files {
		err = fmt.Errorf("%q is not the ARN of a file in a bucket", given)
	}
	if err != nil {
		return nil, err
	}
	v, err := k.fetch(ctx, t, as, "s3:GetObject", r)
	if errors.Is(err, secret.ErrUnknown) {
		return nil, fmt.Errorf("NoSuchKey: there is no file s3://%s here; drydock secret put s3://%s makes one", r.Name, r.Name)
	}
	if err != nil {
		return nil, err
	}
	env, err := secret.Environment(v.Current.Text)
	if err != nil {
		return nil, fmt.Errorf("s3://%s: %w", r.Name, err)
	}
	return env, nil
}
