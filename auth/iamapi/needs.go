package iamapi

import (
	"context"
	"errors"
	"maps"
	"strings"

	"drydock/auth/identity"
	"drydock/awsapi"
)

// keys are condition keys of a request, by their lower-cased names.
type keys map[string][]string

// with adds the keys of another set.
func (k keys) with(more keys) keys {
	if len(more) == 0 {
		return k
	}
	all := maps.Clone(more)
	maps.Copy(all, k)
	return all
}

// policyKey is the managed policy that an action attaches or detaches.
func policyKey(arn *string) keys { return keys{"iam:policyarn": {deref(arn)}} }

// boundaryKey is the permissions boundary that an action gives.
func boundaryKey(arn *string) keys {
	if arn == nil {
		return nil
	}
	return keys{"iam:permissionsboundary": {*arn}}
}

// target is what an action is performed on.
type target struct {
	arn string
	// shown is how IAM's refusals call it, "" where by its ARN.
	shown string
	// keys are those that describe the target itself.
	keys keys
}

// need is the permission to perform an action on a target.
func (t target) need(ctx context.Context, action string, more keys) awsapi.Need {
	return awsapi.Need{Action: "iam:" + action, Resource: t.arn, ResourceAccount: account(ctx), Keys: more.with(t.keys), Shown: t.shown}
}

// needs is the only permission that an operation takes.
func (t target) needs(ctx context.Context, action string, more keys) []awsapi.Need {
	return []awsapi.Need{t.need(ctx, action, more)}
}

// anything is the target of actions that name none.
func anything() target { return target{arn: "*"} }

// folder is the target of lists: all records of a kind whose path begins with a
// prefix, as refusals show it: "on resource: arn:aws:iam::123456789012:user/".
func folder(ctx context.Context, kind identity.Kind, prefix *string) target {
	path := deref(prefix)
	if path == "" {
		path = "/"
	}
	t := target{arn: identity.ARN(account(ctx), kind, path, "")}
	if kind == identity.KindPolicy {
		t.shown = "policy path " + path
	}
	return t
}

// future is the target of the creation of a record.
func future(ctx context.Context, kind identity.Kind, path, name *string) target {
	p := deref(path)
	if p == "" {
		p = "/"
	}
	t := target{arn: identity.ARN(account(ctx), kind, p, deref(name))}
	if kind == identity.KindPolicy {
		t.shown = "policy " + deref(name)
	}
	return t
}

// existing is the target of what is done to a record: its ARN with the path that
// it has, its tags and its permissions boundary. One that does not exist is taken
// to be there without a path, so that only those who may do it learn so.
func (s *Service) existing(ctx context.Context, kind identity.Kind, name string) (target, error) {
	t := target{shown: strings.ReplaceAll(string(kind), "-", " ") + " " + name, keys: keys{}}
	r, err := s.store.Resource(ctx, account(ctx), identity.Entity{Kind: kind, Name: name})
	var missing *identity.NoSuchError
	switch {
	case errors.As(err, &missing) && kind == identity.KindPolicy:
		t.arn = name
	case errors.As(err, &missing):
		t.arn = identity.ARN(account(ctx), kind, "/", name)
	case err != nil:
		return target{}, err
	default:
		t.arn = r.ARN
	}
	for key, value := range r.Tags {
		t.keys["iam:resourcetag/"+strings.ToLower(key)] = []string{value}
		t.keys["aws:resourcetag/"+strings.ToLower(key)] = []string{value}
	}
	if r.Boundary != "" {
		t.keys["iam:permissionsboundary"] = []string{r.Boundary}
	}
	return t, nil
}

// onExisting is the permission to perform an action on a record.
func (s *Service) onExisting(ctx context.Context, action string, kind identity.Kind, name *string, more keys) ([]awsapi.Need, error) {
	t, err := s.existing(ctx, kind, deref(name))
	if err != nil {
		return nil, err
	}
	return t.needs(ctx, action, more), nil
}

// onOwnUser is the permission to perform an action on a user, the caller where
// none is named. The root of the account is its own resource.
func (s *Service) onOwnUser(ctx context.Context, action string, name *string) ([]awsapi.Need, error) {
	user, err := ownUser(ctx, name)
	if err != nil {
		return nil, err
	}
	if user == "" {
		return target{arn: caller(ctx).ARN}.needs(ctx, action, nil), nil
	}
	return s.onExisting(ctx, action, identity.KindUser, &user, nil)
}

// onRenamed is the permission to give a record another name or path: on what it is
// and on what it will be.
func (s *Service) onRenamed(ctx context.Context, action string, kind identity.Kind, name string, newPath, newName *string) ([]awsapi.Need, error) {
	before, err := s.existing(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	after := before
	prefix := identity.ARN(account(ctx), kind, "/", "")
	rest := strings.TrimPrefix(before.arn, prefix)
	path, last := "/"+rest[:strings.LastIndexByte(rest, '/')+1], rest[strings.LastIndexByte(rest, '/')+1:]
	if newPath != nil {
		path = *newPath
	}
	if newName != nil {
		last = *newName
	}
	if after.arn = identity.ARN(account(ctx), kind, path, last); after.arn == before.arn {
		return before.needs(ctx, action, nil), nil
	}
	return []awsapi.Need{before.need(ctx, action, nil), after.need(ctx, action, nil)}, nil
}
