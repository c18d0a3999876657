package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"drydock/ecrapi/scan/vulndb"
)

func (p program) vulndb() *cobra.Command {
	c := &cobra.Command{
		Use:   "vulndb",
		Short: "Give the running server the vulnerabilities that images are scanned for",
		Args:  unknownCommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.vulndbImport(), p.vulndbStatus())
	return c
}

func (p program) vulndbImport() *cobra.Command {
	c := &cobra.Command{
		Use:   "import PLACE…",
		Short: "Import OSV's exports in place of what was imported before",
		Long: `Have the running server, and all on the same database, import the records of
vulnerabilities that OSV publishes: zip files, all.zip of each ecosystem, or folders
with them. The server reads them, so they have to be on its machine.

They take the place of what was imported before, once all are read: name all that are
wanted. The packages of images that were scanned are then compared with them anew.`,
		Example: `  drydock vulndb import /srv/osv
  drydock vulndb import Debian/all.zip Alpine/all.zip Go/all.zip`,
		Args: cobra.MinimumNArgs(1),
	}
	server := p.running(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := server()
		if err != nil {
			return err
		}
		places := make([]string, len(args))
		for i, a := range args {
			if places[i], err = filepath.Abs(a); err != nil {
				return fmt.Errorf("find %s: %w", a, err)
			}
		}
		done, err := client.ImportVulnerabilities(c.Context(), places)
		if err != nil {
			return err
		}
		says := fmt.Sprintf("%d records are imported, the newest of %s", done.Records, day(done.SourceAt))
		if done.Unread > 0 {
			says += fmt.Sprintf("; %d files were no records", done.Unread)
		}
		_, err = fmt.Fprintln(p.out, says)
		return err
	}
	return c
}

func (p program) vulndbStatus() *cobra.Command {
	c := &cobra.Command{Use: "status", Short: "Tell which vulnerabilities were imported, and how old they are", Args: noArguments}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	server := p.running(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := server()
		if err != nil {
			return err
		}
		status, err := client.Vulnerabilities(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return p.print(status)
		}
		if status.Imported == nil {
			_, err := fmt.Fprintln(p.out, "nothing was imported: images cannot be scanned")
			return err
		}
		return p.sayVulnerabilities(*status.Imported, status.Comparing)
	}
	return c
}

func (p program) sayVulnerabilities(v vulndb.Version, comparing bool) error {
	w := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "imported\t%s\n", v.ImportedAt.UTC().Format(time.DateTime))
	fmt.Fprintf(w, "newest record\t%s, %d days ago\n", day(v.SourceAt), int(time.Since(v.SourceAt)/(24*time.Hour)))
	fmt.Fprintf(w, "records\t%d\n", v.Records)
	if comparing {
		fmt.Fprintf(w, "images\tare being compared with them\n")
	}
	// One line for all releases of a distribution.
	counts, releases := map[string]int64{}, map[string]int{}
	for e, n := range v.Ecosystems {
		name, _, _ := strings.Cut(e, ":")
		counts[name] += n
		releases[name]++
	}
	fmt.Fprintln(w, "\nECOSYSTEM\tRELEASES\tENTRIES\t")
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s\t%d\t%d\t\n", name, releases[name], counts[name])
	}
	return w.Flush()
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
