package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"drydock/internal/nearest"
)

// run runs a command line and returns the exit status. What goes wrong is one
// sentence on standard error.
func (p program) run(args []string) int {
	root := &cobra.Command{
		Use:   "drydock",
		Short: "A private Amazon ECR for docker and the aws CLI",
		Long: `drydock is a private Amazon ECR: a registry that docker, the aws CLI and
Amazon's SDKs use as they use Amazon's.

  drydock serve                          start the server
  eval "$(drydock env)"                  make the aws CLI use it
  aws ecr create-repository --repository-name demo
  aws ecr get-login-password | docker login --username AWS --password-stdin localhost:5000
  docker push localhost:5000/demo:latest`,
		Args:          unknownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(p.serve(), p.env(), p.password(), p.trust(), p.account(), p.policy(), p.audit(), p.token(), p.gc(), p.verify(), p.quota(), p.secret(), p.webhook(), p.signing(), p.freeze(), p.vulndb(), p.health(), p.runTask(), p.exec(), p.logs(), p.printVersion())
	root.SetArgs(args)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(flagError)
	err := root.Execute()
	if err == nil {
		return 0
	}
	var e *exitError
	if !errors.As(err, &e) {
		e = &exitError{1, err.Error()}
	}
	if err.Error() != "" {
		fmt.Fprintln(p.err, "drydock:", err)
	}
	return e.code
}

func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, sub := range c.Commands() {
		known = append(known, sub.Name())
	}
	return fmt.Errorf("there is no command %q%s (drydock --help lists them)", args[0], nearest.Suggestion(args[0], known, ""))
}

// noArguments is for commands that take flags only.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument %q (%s --help lists its flags)", c.CommandPath(), args[0], c.CommandPath())
	}
	return nil
}

// flagError adds to pflag's own words the flag that was probably meant.
func flagError(c *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	text := err.Error()
	if name, unknown := strings.CutPrefix(text, "unknown flag: --"); unknown {
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		text = fmt.Sprintf("there is no flag --%s%s", name, nearest.Suggestion(name, known, "--"))
	}
	return fmt.Errorf("%s (%s --help lists the flags)", text, c.CommandPath())
}

// exitError is an error with an exit status of its own. Without a text it is that of
// somebody else's program, which has said what there was to say.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }
