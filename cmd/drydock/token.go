package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p program) token() *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "End registry passwords before their time, and change the key that signs them", Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(p.tokenRevoke(), p.tokenRotate())
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

func (p program) tokenRotate() *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Sign registry passwords with a new key from now on",
		Long: `Sign registry passwords with a new key from now on, as the server does by itself every
30 days. Nobody is logged out: passwords that were made before stay good until they
expire, after 12 hours at most. To end those of somebody at once, revoke them.`,
		Args: noArguments,
	}
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		server, err := client()
		if err != nil {
			return err
		}
		if err := server.RotateKeys(c.Context()); err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.out, "registry passwords are signed with a new key; those made before stay good until they expire")
		return err
	}
	return c
}
