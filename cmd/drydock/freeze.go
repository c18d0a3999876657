package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"drydock/internal/control"
)

func (p program) freeze() *cobra.Command {
	c := &cobra.Command{
		Use:   "freeze",
		Short: "Have the running server ask no upstream registry any more",
		Long: `Have the running server, and all on the same database, ask no upstream registry any
more: pulls through a cache rule are served from what is cached, and what is not is
refused with a sentence that says so. It lasts, over restarts too, until drydock
freeze off.`,
		Args: unknownCommand,
	}
	c.RunE = p.setFreeze(c, true)
	off := &cobra.Command{Use: "off", Short: "Have upstream registries asked again", Args: noArguments}
	off.RunE = p.setFreeze(off, false)
	status := &cobra.Command{Use: "status", Short: "Tell whether upstream registries are asked", Args: noArguments}
	server := p.running(status)
	status.RunE = func(c *cobra.Command, _ []string) error {
		client, err := server()
		if err != nil {
			return err
		}
		on, err := client.Frozen(c.Context())
		if err != nil {
			return err
		}
		return p.sayFrozen(on)
	}
	c.AddCommand(off, status)
	return c
}

func (p program) setFreeze(c *cobra.Command, on bool) func(*cobra.Command, []string) error {
	server := p.running(c)
	return func(c *cobra.Command, _ []string) error {
		client, err := server()
		if err != nil {
			return err
		}
		if err := client.Freeze(c.Context(), on); err != nil {
			return err
		}
		return p.sayFrozen(on)
	}
}

func (p program) sayFrozen(on bool) error {
	says := "not frozen: upstream registries are asked"
	if on {
		says = "frozen: upstream registries are not asked"
	}
	_, err := fmt.Fprintln(p.out, says)
	return err
}

// running gives a command what it needs to ask the running
// server.
func (p program) running(c *cobra.Command) func() (*control.Client, error) {
	load := p.lookingAt(c)
	return func() (*control.Client, error) {
		v, err := load()
		if err == nil {
			err = v.absent
		}
		if err != nil {
			return nil, err
		}
		return control.NewClient(control.Path(v.Data)), nil
	}
}
