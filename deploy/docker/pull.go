package docker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"

	"drydock/deploy/machine"
)

// pullAll gets the images of all containers, at the same time. One that cannot be had
// ends the task when its container is essential.
func (r *runner) pullAll(ctx context.Context) {
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wanted := r.unmade(cancel)
	var all sync.WaitGroup
	errs := make([]error, len(wanted))
	for i, c := range wanted {
		all.Go(func() { errs[i] = r.pull(ctx, c) })
	}
	all.Wait()
	var err error
	if ctx.Err() == nil && !slices.ContainsFunc(errs, lost) {
		err = r.ensureVolumes(ctx)
	}
	if ctx.Err() != nil {
		return // the task ends, or the server
	}
	if lost(err) || slices.ContainsFunc(errs, lost) {
		pause(outer)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.pulling = false
		return
	}
	for i, err := range errs {
		if err != nil {
			r.failed(wanted[i].Name, "CannotPullContainerError: "+err.Error())
		}
	}
	if err != nil {
		r.failed("", "CannotCreateVolumeError: "+err.Error())
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pulled = true
	if r.k.State.PullStopped.IsZero() {
		r.k.State.PullStopped = r.m.o.Now()
	}
}

// unmade are the containers that need an image still. A task that goes on after a
// restart of the server needs none: its role may have lost its permissions since, or
// the image be gone. cancel is what ends the pull with the task.
func (r *runner) unmade(cancel context.CancelFunc) (list []machine.Container) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopPull = cancel
	if r.k.Ending {
		cancel()
	}
	for _, c := range r.k.Task.Containers {
		if s := r.state(c.Name); s.RuntimeID == "" && s.Status == machine.Pending {
			list = append(list, c)
		}
	}
	return list
}

// pull gets the image of a container. One of this server's own registry is asked for
// with the role's password each time, also when the Engine has it, for it is the
// policies that decide.
func (r *runner) pull(ctx context.Context, c machine.Container) error {
	if c.Repository == nil {
		return r.pullForeign(ctx, c)
	}
	p, err := r.m.o.Keeper.Image(ctx, r.k.Task, *c.Repository)
	if err != nil {
		return err
	}
	if _, err := r.m.engine.ImageInspect(ctx, p.Address); err != nil {
		if !errdefs.IsNotFound(err) {
			return err
		}
		if err := r.m.fetch(ctx, p.Address, &registry.AuthConfig{Username: p.User, Password: p.Password, ServerAddress: p.Host}); err != nil {
			return err
		}
	}
	r.has(c.Name, p.Address, p.Digest)
	return nil
}

// pullForeign gets an image of another registry, and makes do with the one that the
// Engine has where it cannot be had.
func (r *runner) pullForeign(ctx context.Context, c machine.Container) error {
	failed := r.m.fetch(ctx, c.Image, nil)
	v, err := r.m.engine.ImageInspect(ctx, c.Image)
	switch {
	case err != nil && failed != nil:
		return failed
	case err != nil:
		return err
	}
	digest := ""
	for _, d := range v.RepoDigests {
		_, digest, _ = strings.Cut(d, "@")
	}
	r.has(c.Name, c.Image, digest)
	return nil
}

func (r *runner) has(name, reference, digest string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.k.Pulled[name] = pulledImage{reference, digest}
	r.state(name).ImageDigest = digest
}

// fetch has the Engine pull an image.
func (m *Machine) fetch(ctx context.Context, reference string, as *registry.AuthConfig) error {
	var o image.PullOptions
	if as != nil {
		b, err := json.Marshal(as)
		if err != nil {
			return err
		}
		o.RegistryAuth = base64.URLEncoding.EncodeToString(b)
	}
	body, err := m.engine.ImagePull(ctx, reference, o)
	if err != nil {
		return plain(err)
	}
	defer body.Close()
	// What goes wrong after the beginning is told in the stream.
	for d := json.NewDecoder(body); ; {
		var line struct {
			Detail *struct{ Message string } `json:"errorDetail"`
		}
		switch err := d.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("follow the pull of %s: %w", reference, err)
		case line.Detail != nil:
			return errors.New(line.Detail.Message)
		}
	}
}
