package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"drydock/internal/bytesize"
	"drydock/internal/control"
)

func (p program) quota() *cobra.Command {
	c := &cobra.Command{
		Use:   "quota",
		Short: "Limit what accounts and repositories of the running server hold, and see how much that is",
		Long: `An account and a repository can have a quota of bytes and of images, the account
for all its repositories in all regions. Without one of its own the usual applies,
which --account-quota and --repository-quota of drydock serve set.

What counts are the bytes of the layers, configurations and manifests that a
repository holds, each once, and its images, those that an index lists included. A
layer that no image needs counts until it is collected: see --gc-grace.`,
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.quotaSet(), p.quotaRemove(), p.quotaList())
	return c
}

const holderForm = "ACCOUNT or ACCOUNT/REGION/REPOSITORY"

// holderOf reads what a quota is for.
func holderOf(arg string) (control.Holder, error) {
	parts := strings.SplitN(arg, "/", 3)
	switch {
	case len(parts) == 1 && parts[0] != "":
		return control.Holder{Account: parts[0]}, nil
	case len(parts) == 3 && parts[1] != "" && parts[2] != "":
		return control.Holder{Account: parts[0], Region: parts[1], Name: parts[2]}, nil
	}
	return control.Holder{}, fmt.Errorf("%q is not %s", arg, holderForm)
}

func (p program) quotaSet() *cobra.Command {
	c := &cobra.Command{
		Use:   "set " + strings.ReplaceAll(holderForm, " or ", "|"),
		Short: "Give an account or a repository, which need not exist yet, a quota of its own",
		Long: `Give an account or a repository a quota of its own in place of the usual one. What
is not given is not limited. One that holds more already keeps it, and takes in
nothing more.`,
		Example: `  drydock quota set 123456789012 --bytes 100GiB
  drydock quota set 123456789012/eu-west-1/team/app --bytes 10GiB --images 1000
  drydock quota set 123456789012/eu-west-1/team/app --unlimited`,
		Args: exactly(holderForm),
	}
	bytes := c.Flags().String("bytes", "", "the most bytes that it may hold, such as 10GiB")
	images := c.Flags().Int64("images", 0, "the most images that it may hold")
	unlimited := c.Flags().Bool("unlimited", false, "limit nothing, whatever is usual")
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		h, err := holderOf(args[0])
		if err != nil {
			return err
		}
		var limit int64
		if *bytes != "" {
			if limit, err = bytesize.Parse(*bytes); err != nil || limit == 0 {
				return fmt.Errorf("--bytes: %q is not a number of bytes, such as 10GiB", *bytes)
			}
		}
		if *images < 0 || c.Flags().Changed("images") && *images == 0 {
			return fmt.Errorf("--images: %d is not a number of images, such as 1000", *images)
		}
		if *unlimited == (limit > 0 || *images > 0) {
			return fmt.Errorf("give --bytes, --images or both, or else --unlimited (%s --help shows how)", c.CommandPath())
		}
		server, err := client()
		if err != nil {
			return err
		}
		return server.SetQuota(c.Context(), h, limit, *images)
	}
	return c
}

func (p program) quotaRemove() *cobra.Command {
	c := &cobra.Command{
		Use:   "remove " + strings.ReplaceAll(holderForm, " or ", "|"),
		Short: "Take its own quota from an account or a repository, so that the usual one applies",
		Args:  exactly(holderForm),
	}
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		h, err := holderOf(args[0])
		if err != nil {
			return err
		}
		server, err := client()
		if err != nil {
			return err
		}
		return server.RemoveQuota(c.Context(), h)
	}
	return c
}

func (p program) quotaList() *cobra.Command {
	c := &cobra.Command{
		Use:   "list [ACCOUNT]",
		Short: "List what an account and its repositories hold and may hold; without one, all accounts and the repositories with a quota of their own",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%s takes one account at most (%s --help shows how)", c.CommandPath(), c.CommandPath())
			}
			return nil
		},
	}
	asJSON := c.Flags().Bool("json", false, "print JSON, with all amounts as numbers")
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := client()
		if err != nil {
			return err
		}
		list, err := server.Holdings(c.Context(), strings.Join(args, ""))
		if err != nil {
			return err
		}
		if *asJSON {
			return p.print(list)
		}
		w := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "HOLDER\tBYTES\tQUOTA\tIMAGES\tQUOTA\t")
		for _, h := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", holderText(h.Holder), bytesize.Format(h.Bytes), limited(h.BytesQuota, bytesize.Format),
				h.Images, limited(h.ImagesQuota, func(n int64) string { return fmt.Sprint(n) }), whose(h))
		}
		return w.Flush()
	}
	return c
}

func holderText(h control.Holder) string {
	if h.Name == "" {
		return h.Account
	}
	return h.Account + "/" + h.Region + "/" + h.Name
}

// limited is a limit for people, for whom none is a dash.
func limited(n int64, format func(int64) string) string {
	if n == 0 {
		return "-"
	}
	return format(n)
}

// whose tells where a quota comes from.
func whose(h control.Holding) string {
	switch {
	case h.Own:
		return "own"
	case h.BytesQuota > 0 || h.ImagesQuota > 0:
		return "usual"
	}
	return ""
}
