package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"drydock/internal/control"
)

func (p program) gc() *cobra.Command {
	c := &cobra.Command{
		Use:   "gc",
		Short: "Look at the collection of what no image needs, and bring deleted images back",
		Long: `The running server collects by itself, in small steps, while people push: what no
image needs for --gc-grace goes to the trash, and for good after --gc-trash.`,
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		p.gcStatus("status", "Print what waits for collection, what is in the trash, and what was done", (*control.Client).CollectionStatus),
		p.gcStatus("run", "Collect all that is due at once, and print as status does", (*control.Client).Collect),
		p.gcOf("explain", "Print who holds a layer and why, or when it goes", (*control.Client).Fate),
		p.gcOf("undelete", "Bring a deleted image back, with the tags that nobody has taken since", (*control.Client).Undelete),
	)
	return c
}

func (p program) gcStatus(use, short string, ask func(*control.Client, context.Context) (control.CollectionStatus, error)) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noArguments}
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		server, err := client()
		if err != nil {
			return err
		}
		s, err := ask(server, c.Context())
		if err != nil {
			return err
		}
		return p.print(s)
	}
	return c
}

func (p program) gcOf(use, short string, ask func(*control.Client, context.Context, string) ([]string, error)) *cobra.Command {
	c := &cobra.Command{Use: use + " DIGEST", Short: short, Args: exactly("a digest, such as sha256:…")}
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := client()
		if err != nil {
			return err
		}
		lines, err := ask(server, c.Context(), args[0])
		if err != nil {
			return err
		}
		for _, l := range lines {
			if _, err := fmt.Fprintln(p.out, l); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}
