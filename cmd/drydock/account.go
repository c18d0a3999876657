package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"drydock/internal/control"
)

// commanding gives a command what it needs to ask the server that runs on the
// data folder.
func (p program) commanding(c *cobra.Command) func() (*control.Client, error) {
	load := p.lookingAt(c)
	return func() (*control.Client, error) {
		v, err := load()
		switch {
		case err != nil:
			return nil, err
		case v.absent != nil:
			return nil, v.absent
		}
		return control.NewClient(control.Path(v.Data)), nil
	}
}

func (p program) account() *cobra.Command {
	c := &cobra.Command{Use: "account", Short: "Create and list the accounts of the running server", Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(p.accountCreate(), p.accountList())
	return c
}

func (p program) accountCreate() *cobra.Command {
	c := &cobra.Command{
		Use:   "create ID",
		Short: "Create an account and print the key of its root, once",
		Long: `Create an account, whose id has 10 to 12 digits, in the running server and print
the key of its root. The secret is not shown again.`,
		Args: exactly("the id of an account"),
	}
	name := c.Flags().String("name", "", "a name to know the account by")
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := client()
		if err != nil {
			return err
		}
		a, err := server.CreateAccount(c.Context(), args[0], *name)
		if err != nil {
			return err
		}
		return p.print(a)
	}
	return c
}

func (p program) accountList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the accounts of the running server", Args: noArguments}
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		server, err := client()
		if err != nil {
			return err
		}
		list, err := server.Accounts(c.Context())
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
		for _, a := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\n", a.ID, a.CreatedAt.UTC().Format("2006-01-02 15:04:05Z"), a.Name)
		}
		return w.Flush()
	}
	return c
}

// print writes a value as JSON that a person can read too.
func (p program) print(v any) error {
	e := json.NewEncoder(p.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// exactly is for commands that take one argument.
func exactly(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s takes %s (%s --help shows how)", c.CommandPath(), what, c.CommandPath())
		}
		return nil
	}
}
