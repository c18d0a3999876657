package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"drydock/deploy/secret"
	"drydock/internal/control"
)

func (p program) secret() *cobra.Command {
	c := &cobra.Command{
		Use:   "secret",
		Short: "Keep values and files that task definitions of the running server have by reference",
		Long: `Keep what task definitions have by reference, sealed, for an account and a region. A
value can be asked for as a parameter of Systems Manager and as a secret of Secrets
Manager, in valueFrom of secrets and secretOptions; a file s3://BUCKET/KEY in
environmentFiles. The task's execution role has to allow it: ssm:GetParameters,
secretsmanager:GetSecretValue or s3:GetObject.`,
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.secretPut(), p.secretList(), p.secretRemove())
	return c
}

// secrets gives a command what it needs to ask the running server for secrets, and
// those are an account's in a region.
func (p program) secrets(c *cobra.Command) func(name string) (*control.Client, control.SecretName, error) {
	load := p.lookingAt(c, "account", "region")
	return func(name string) (*control.Client, control.SecretName, error) {
		v, err := load()
		if err == nil {
			err = v.absent
		}
		if err != nil {
			return nil, control.SecretName{}, err
		}
		return control.NewClient(control.Path(v.Data)), control.SecretName{Account: v.Account, Region: v.Region, Name: name}, nil
	}
}

func (p program) secretPut() *cobra.Command {
	c := &cobra.Command{
		Use:   "put NAME|s3://BUCKET/KEY",
		Short: "Give a secret the value that is read from standard input",
		Long: `Give a secret, which need not be there yet, the value that is read from standard
input, and print what task definitions call it by. A newline at the end of a value is
left out. The value that it had before stays as the stage AWSPREVIOUS; containers that
run keep the one they have.`,
		Example: `  openssl rand -hex 16 | drydock secret put /prod/db/password
  drydock secret put prod/db < credentials.json
  drydock secret put s3://config/app.env < app.env`,
		Args: exactly("the name of a secret"),
	}
	server := p.secrets(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, name, err := server(args[0])
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), secret.MaxSize+2))
		if err != nil {
			return fmt.Errorf("read the value from standard input: %w", err)
		}
		if !strings.Contains(name.Name, ":") {
			text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
		}
		if len(text) == 0 {
			return fmt.Errorf("there is nothing on standard input, from where the value is read")
		}
		made, err := client.PutSecret(c.Context(), name, text)
		if err != nil {
			return err
		}
		return p.print(made)
	}
	return c
}

func (p program) secretList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the secrets of an account in a region, without their values", Args: noArguments}
	asJSON := c.Flags().Bool("json", false, "print JSON, with the ARNs that task definitions use")
	server := p.secrets(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, of, err := server("")
		if err != nil {
			return err
		}
		list, err := client.Secrets(c.Context(), of.Account, of.Region)
		if err != nil {
			return err
		}
		if *asJSON {
			return p.print(list)
		}
		w := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tCHANGED\t")
		for _, s := range list {
			fmt.Fprintf(w, "%s\t%s\t\n", s.Name, s.ChangedAt.Format("2006-01-02 15:04:05Z"))
		}
		return w.Flush()
	}
	return c
}

func (p program) secretRemove() *cobra.Command {
	c := &cobra.Command{Use: "remove NAME|s3://BUCKET/KEY", Short: "Remove a secret with all its versions", Args: exactly("the name of a secret")}
	server := p.secrets(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, name, err := server(args[0])
		if err != nil {
			return err
		}
		return client.RemoveSecret(c.Context(), name)
	}
	return c
}
