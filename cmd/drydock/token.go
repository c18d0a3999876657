package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p program) token() *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "End registry passwords before their time", Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(p.tokenRevoke())
	return c
}

func (p program) tokenRevoke() *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke ARN",
		Short: "End the registry passwords of a user, of the sessions of a role, or of a root",
		Long: `End every registry password made until now for a principal: a user, a root, or the
sessions of a role. What they may do is not changed, and with their keys they can
ask for a new one; to keep somebody out, deactivate their keys.`,
		Args: exactly("the ARN of a principal"),
	}
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := client()
		if err != nil {
			return err
		}
		if err := server.RevokeTokens(c.Context(), args[0]); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "the registry passwords of %s have ended\n", args[0])
		return err
	}
	return c
}
