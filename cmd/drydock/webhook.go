package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"drydock/ecrapi/events"
	"drydock/internal/control"
)

func (p program) webhook() *cobra.Command {
	c := &cobra.Command{
		Use:   "webhook",
		Short: "Have the running server tell others what becomes of images",
		Long: `Have the running server tell others what becomes of the images of an account and a
region: each push, deletion, scan, replication and signature is sent to its webhooks
as the JSON that Amazon ECR sends to EventBridge, in a POST that is signed as
standardwebhooks.com says. It is tried for a day until it is answered with 2xx, and
may come more than once: Webhook-Id is then the same.`,
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.webhookAdd(), p.webhookList(), p.webhookRemove())
	return c
}

// scope gives a command what it needs to ask the running server for what belongs to an
// account and a region.
func (p program) scope(c *cobra.Command) func() (*control.Client, control.Scope, error) {
	load := p.lookingAt(c, "account", "region")
	return func() (*control.Client, control.Scope, error) {
		v, err := load()
		if err == nil {
			err = v.absent
		}
		if err != nil {
			return nil, control.Scope{}, err
		}
		return control.NewClient(control.Path(v.Data)), control.Scope{Account: v.Account, Region: v.Region}, nil
	}
}

func (p program) webhookAdd() *cobra.Command {
	c := &cobra.Command{
		Use:   "add URL",
		Short: "Send events to an address, and print the secret that signs them, which is not shown again",
		Example: `  drydock webhook add https://ci.example.com/images
  drydock webhook add https://ci.example.com/scans --type "ECR Image Scan" --repository "team/*"`,
		Args: exactly("an address"),
	}
	types := c.Flags().StringArray("type", nil, "send events of this detail-type only; may be repeated: "+strings.Join(events.DetailTypes(), ", "))
	repositories := c.Flags().StringArray("repository", nil, "send events of this repository only, in whose name * is anything; may be repeated")
	server := p.scope(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, of, err := server()
		if err != nil {
			return err
		}
		made, err := client.AddWebhook(c.Context(), of, events.Webhook{URL: args[0], Types: *types, Repositories: *repositories})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "webhook %s\nsecret  %s\n", made.ID, made.Secret)
		return err
	}
	return c
}

func (p program) webhookList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the webhooks of an account and a region", Args: noArguments}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	server := p.scope(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, of, err := server()
		if err != nil {
			return err
		}
		list, err := client.Webhooks(c.Context(), of)
		if err != nil {
			return err
		}
		if *asJSON {
			return p.print(list)
		}
		w := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "WEBHOOK\tURL\tTYPES\tREPOSITORIES\tADDED\t")
		for _, h := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\n", h.ID, h.URL, orAll(h.Types), orAll(h.Repositories), h.CreatedAt.UTC().Format(time.DateTime))
		}
		return w.Flush()
	}
	return c
}

func orAll(list []string) string {
	if len(list) == 0 {
		return "all"
	}
	return strings.Join(list, ", ")
}

func (p program) webhookRemove() *cobra.Command {
	c := &cobra.Command{Use: "remove ID", Short: "Send no more events to a webhook", Args: exactly("the id of a webhook")}
	server := p.scope(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, of, err := server()
		if err != nil {
			return err
		}
		return client.RemoveWebhook(c.Context(), of, args[0])
	}
	return c
}
