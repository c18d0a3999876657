package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"drydock/internal/config"
	"drydock/internal/datadir"
)

// view is what a command that looks at a server sees.
type view struct {
	config.Config
	server datadir.Server
	// absent is why there is no server to be seen, nil when there is one.
	absent error
}

// lookingAt gives a command that looks at a server the flags it needs for it. The
// function that it returns reads them. What flags, variables and file leave open
// is as it is with the running server.
func (p program) lookingAt(c *cobra.Command, flags ...string) func() (view, error) {
	standard := config.Default(p.getenv)
	source := config.Bind(c.Flags(), p.environ, standard, append(flags, "data")...)
	source.Lenient = true
	return func() (view, error) {
		cfg, err := source.Load(standard)
		if err != nil {
			return view{}, err
		}
		s, err := datadir.Running(cfg.Data)
		if errors.Is(err, datadir.ErrNotRunning) {
			return view{Config: cfg, absent: err}, nil
		}
		if err != nil {
			return view{}, err
		}
		running := standard
		running.Account, running.Region, running.RegistryHost, running.Listen = s.Account, s.Region, s.RegistryHost, s.Listen
		cfg, err = source.Load(running)
		return view{Config: cfg, server: s}, err
	}
}

// rootKey finds the root key that a running server goes by. Errors: the key was
// given to the server by its environment, and this command has no such one.
func (v view) rootKey() (datadir.Key, error) {
	wanted := v.server.AccessKeyID
	if v.RootKey.AccessKeyID == wanted {
		return v.RootKey, nil
	}
	key, err := datadir.ReadRootKey(v.Data)
	if err != nil && !errors.Is(err, datadir.ErrNoRootKey) {
		return datadir.Key{}, err
	}
	if key.AccessKeyID != wanted {
		return datadir.Key{}, fmt.Errorf("the server's root key %s was given to it in its environment: set DRYDOCK_ROOT_ACCESS_KEY_ID and DRYDOCK_ROOT_SECRET_ACCESS_KEY here as well", wanted)
	}
	return key, nil
}
