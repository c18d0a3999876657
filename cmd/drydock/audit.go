package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func (p program) audit() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Print what was allowed and refused, and by which statement",
		Long: `Print a line for each authorisation decision of the running server: who, what, on
which resource, whether it was allowed and by which statement, with the id of the
request. Lines are JSON in the shape of CloudTrail's records.`,
		Args: noArguments,
	}
	last := c.Flags().Int("last", 100, "begin with this many of the latest decisions; the server remembers 1024")
	follow := c.Flags().BoolP("follow", "f", false, "go on with those to come")
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		server, err := client()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return server.Audit(ctx, p.out, *last, *follow)
	}
	return c
}
