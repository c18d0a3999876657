package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"drydock/ecrapi/signing"
	"drydock/internal/atomicfile"
)

func (p program) signing() *cobra.Command {
	c := &cobra.Command{
		Use:   "signing",
		Short: "Make the profiles that images are signed with, and what verifies their signatures",
		Long: `Make the profiles that the running server signs images with, and what others need
to verify the signatures. Which images are signed is for aws ecr
put-signing-configuration to say.

  drydock signing profile add ci                       make a key
  aws ecr put-signing-configuration --signing-configuration \
    'rules=[{signingProfileArn=arn:aws:signer:eu-west-1:123456789012:/signing-profiles/ci}]'
  drydock signing trust-store export ~/.config/notation
  notation verify localhost:5000/demo@sha256:...`,
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	profile := &cobra.Command{
		Use: "profile", Short: "Make, list and remove signing profiles", Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	profile.AddCommand(p.profileAdd(), p.profileList(), p.profileRemove())
	store := &cobra.Command{
		Use: "trust-store", Short: "What notation needs to trust the signatures", Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	store.AddCommand(p.trustStoreExport())
	c.AddCommand(profile, store)
	return c
}

func (p program) profileAdd() *cobra.Command {
	c := &cobra.Command{
		Use: "add NAME", Short: "Make a signing profile with a new key, and print its ARN", Args: exactly("the name of a signing profile"),
	}
	server := p.scope(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, of, err := server()
		if err != nil {
			return err
		}
		made, err := client.AddProfile(c.Context(), of, args[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.out, made.ARN)
		return err
	}
	return c
}

func (p program) profileList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the signing profiles of an account and a region", Args: noArguments}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	server := p.scope(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, of, err := server()
		if err != nil {
			return err
		}
		list, err := client.Profiles(c.Context(), of)
		if err != nil {
			return err
		}
		if *asJSON {
			return p.print(list)
		}
		w := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tARN\tADDED\tENDS\t")
		for _, s := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\n", s.Name, s.ARN, s.CreatedAt.UTC().Format(time.DateTime), s.EndsAt.UTC().Format(time.DateOnly))
		}
		return w.Flush()
	}
	return c
}

func (p program) profileRemove() *cobra.Command {
	c := &cobra.Command{
		Use: "remove NAME", Short: "Destroy the key of a signing profile; signatures that it made stay good",
		Args: exactly("the name of a signing profile"),
	}
	server := p.scope(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, of, err := server()
		if err != nil {
			return err
		}
		return client.RemoveProfile(c.Context(), of, args[0])
	}
	return c
}

func (p program) trustStoreExport() *cobra.Command {
	c := &cobra.Command{
		Use:   "export DIR",
		Short: "Write the trust store and the trust policy by which notation verifies images",
		Long: `Write the trust store and the trust policy by which notation verifies the images that
an account signs in a region. DIR is Notation's folder, ~/.config/notation, or a copy
of it. A trust policy that is there already is left alone, unless --force is given.`,
		Example: `  drydock signing trust-store export ~/.config/notation
  drydock signing trust-store export ./trust --profile release --repository localhost:5000/team/app`,
		Args: exactly("a folder"),
	}
	profiles := c.Flags().StringArray("profile", nil, "trust this signing profile only; may be repeated")
	repositories := c.Flags().StringArray("repository", nil, "for images of this repository only, as HOST/NAME; may be repeated")
	force := c.Flags().Bool("force", false, "overwrite a trust policy that is there")
	server := p.scope(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, of, err := server()
		if err != nil {
			return err
		}
		store, err := client.TrustStore(c.Context(), of, *profiles, *repositories)
		if err != nil {
			return err
		}
		if err := writeTrustStore(args[0], store, *force); err != nil {
			return err
		}
		for _, i := range store.Identities {
			if _, err := fmt.Fprintln(p.out, i); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// writeTrustStore writes the files of a trust store below a folder.
func writeTrustStore(folder string, store signing.TrustStore, force bool) error {
	policy := filepath.Join(folder, signing.PolicyFile)
	if _, err := os.Lstat(policy); !force && !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return fmt.Errorf("look for a trust policy: %w", err)
		}
		return fmt.Errorf("there is a trust policy %s already: choose another folder and put the two together, or overwrite it with --force", policy)
	}
	// The policy last: what it speaks of is there then.
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(store.Files)), func(n string) bool { return n == signing.PolicyFile })
	names = append(names, signing.PolicyFile)
	for _, name := range names {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make a folder for the trust store: %w", err)
		}
		if err := atomicfile.Write(path, []byte(store.Files[name]), 0o644); err != nil {
			return fmt.Errorf("write the trust store: %w", err)
		}
	}
	return nil
}
