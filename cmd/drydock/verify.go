package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"drydock/internal/bytesize"
	"drydock/internal/control"
	"drydock/storage"
)

// What drydock verify exits with, beside 0 when nothing is wrong any more, and 1 when
// it could not find out.
const (
	exitUnmended = 2
	exitLost     = 3
)

func (p program) verify() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Compare what the running server has recorded with what is stored, and mend it",
		Long: `Compare the records of the running server with the bytes that are stored, both
ways, while people push and pull, and print what is wrong and what to do about it.

With --repair it mends what can be mended. What is spoilt goes to the folder
quarantine beside the blobs; the images that need it are named, and a push of any of
them, from wherever there is a copy, makes all of them whole.

It exits with 0 when nothing is wrong, or not any more; with 2 when something is that
--repair mends; with 3 when something is lost until it is pushed again; and with 1
when it could not find out.`,
		Args: noArguments,
	}
	var in control.Verification
	c.Flags().BoolVar(&in.Deep, "deep", false, "read every byte, and not only lengths")
	c.Flags().BoolVar(&in.Repair, "repair", false, "mend what can be mended, and put aside what is spoilt")
	c.Flags().BoolVar(&in.Resume, "resume", false, "go on where the last verification was broken off, as it was begun")
	rate := c.Flags().Float64("rate", 100, "read at most so many MiB in a second; 0 for no limit")
	progress := c.Flags().Bool("progress", false, "tell on standard error how far it is")
	c.AddCommand(p.verifyStatus())
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *rate < 0 || math.IsNaN(*rate) || *rate > 1<<30 {
			return fmt.Errorf("--rate: %v is not a number of MiB from 0 on", *rate)
		}
		in.Rate = int64(*rate * (1 << 20))
		server, err := client()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return p.verifyAt(ctx, server, in, *progress)
	}
	return c
}

func (p program) verifyAt(ctx context.Context, server *control.Client, in control.Verification, progress bool) error {
	unreadable := false
	v, err := server.Verify(ctx, in, func(problem storage.Problem) error {
		unreadable = unreadable || problem.Kind == storage.BlobUnreadable
		_, err := fmt.Fprint(p.out, describe(problem))
		return err
	}, func(v storage.Verified) error {
		if !progress {
			return nil
		}
		_, err := fmt.Fprintf(p.err, "%s: %s\n", v.Stage, lookedAt(v))
		return err
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("it was stopped: drydock verify --resume goes on")
	case err != nil:
		return err
	}
	left := v.Problems - v.Mended
	if _, err := fmt.Fprintf(p.out, "looked at %s: found %d wrong, mended %d\n", lookedAt(v), v.Problems, v.Mended); err != nil {
		return err
	}
	switch {
	case v.Lost > 0:
		return &exitError{exitLost, fmt.Sprintf("left wrong: %d, of which lost until they are pushed again: %d", left, v.Lost)}
	case left > 0 && unreadable:
		return &exitError{exitUnmended, fmt.Sprintf("left wrong: %d, some of which cannot be read", left)}
	case left > 0:
		return &exitError{exitUnmended, fmt.Sprintf("left wrong: %d; drydock verify --repair, with the same --deep, mends what can be mended", left)}
	}
	return nil
}

// verifyStatus prints what has been found, by the scrub above all, which has nobody
// else to tell it to.
func (p program) verifyStatus() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Print how far the scrub and the last verification are, and what they found",
		Args:  noArguments,
	}
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		server, err := client()
		if err != nil {
			return err
		}
		states, err := server.Verifications(c.Context())
		if err != nil {
			return err
		}
		for _, s := range states {
			if _, err := fmt.Fprint(p.out, describeState(s)); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

func describeState(s storage.VerifyState) string {
	const form = "2006-01-02 15:04:05Z"
	var b strings.Builder
	fmt.Fprintf(&b, "%s begun %s", s.Name, s.BegunAt.Format(form))
	if s.Verified.Stage == "" {
		fmt.Fprintf(&b, ", ended %s", s.EndedAt.Format(form))
	} else {
		fmt.Fprintf(&b, ", at the %s, %.0f %% of the layers behind it", s.Verified.Stage, 100*s.Reached)
		if !s.EndedAt.IsZero() {
			fmt.Fprintf(&b, ", the one before ended %s", s.EndedAt.Format(form))
		}
	}
	fmt.Fprintf(&b, ": %s, found %d wrong, mended %d\n", lookedAt(s.Verified), s.Verified.Problems, s.Verified.Mended)
	for _, problem := range s.Problems {
		b.WriteString(describe(problem))
	}
	return b.String()
}

func lookedAt(v storage.Verified) string {
	return fmt.Sprintf("%d images, %d layers and configurations, %d files, %s read", v.Images, v.Blobs, v.Files, bytesize.Format(v.Bytes))
}

// describe is a problem as it is printed.
func describe(p storage.Problem) string {
	state := "WRONG"
	switch {
	case p.Lost:
		state = "LOST"
	case p.Mended:
		state = "MENDED"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s\n", state, p.Kind, p.Says)
	for _, image := range p.Images {
		fmt.Fprintf(&b, "    needed by %s\n", image)
	}
	if p.More {
		fmt.Fprintln(&b, "    and by more")
	}
	fmt.Fprintf(&b, "    %s\n", p.Advice)
	return b.String()
}
