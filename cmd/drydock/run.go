package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func (p program) runTask() *cobra.Command {
	c := &cobra.Command{
		Use:   "run REPOSITORY[:TAG] [flags] [-- COMMAND [ARGUMENT…]]",
		Short: "Run an image as a task, follow what it writes, and end with its exit code",
		Long: `Run an image as a task: make a task definition of it, called after the repository,
run it, follow what it writes, and end with its exit code. Ctrl-C stops the task; a
second one leaves it to stop by itself.

  drydock run demo:latest --port 8080:80

A repository is one of the registry's, or has a host before it. Images of the
registry are pulled as an execution role: without --execution-role that is
ecsTaskExecutionRole, which is made where there is none.

The server and the credentials are found as by drydock get-login-password.`,
		Args: func(c *cobra.Command, args []string) error {
			if n := c.ArgsLenAtDash(); len(args) < 1 || n == 0 || n < 0 && len(args) > 1 || n > 1 {
				return fmt.Errorf("%s takes an image, and a command only after -- (%s --help shows how)", c.CommandPath(), c.CommandPath())
			}
			return nil
		},
	}
	var o launching
	f := c.Flags()
	f.StringVar(&o.cluster, "cluster", "default", "the cluster to run it in")
	f.Int32Var(&o.cpu, "cpu", 0, "its share of the processors, in units of which a core has 1024")
	f.Int32Var(&o.memory, "memory", 512, "the most memory that it may take, in MiB")
	f.StringArrayVar(&o.ports, "port", nil, "publish a port: CONTAINER or HOST:CONTAINER, with /udp where it is one; may be repeated")
	f.StringArrayVar(&o.environment, "env", nil, "an environment variable: NAME=VALUE; may be repeated")
	f.StringVar(&o.role, "role", "", "the role that the program in it has, by name or ARN")
	f.StringVar(&o.executionRole, "execution-role", "", "the role as which the image is pulled, by name or ARN")
	f.StringVar(&o.logGroup, "log-group", "", "log to a group of CloudWatch Logs, which is made where there is none, instead of to the machine")
	f.BoolVar(&o.commands, "enable-execute-command", false, "let drydock exec run commands in it")
	f.BoolVar(&o.remove, "rm", false, "deregister the task definition when the task has stopped")
	f.BoolVarP(&o.detach, "detach", "d", false, "print the task's ARN and leave it running")
	c.MarkFlagsMutuallyExclusive("rm", "detach")
	call := p.callingECS(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o.image, o.command = args[0], args[1:]
		server, err := call()
		if err != nil {
			return err
		}
		interrupts := make(chan os.Signal, 2)
		signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
		defer signal.Stop(interrupts)
		code, err := launcher{ecsOf: server, out: p.out, err: p.err, interrupts: interrupts}.launch(c.Context(), o)
		if err != nil {
			return err
		}
		return ended(code)
	}
	return c
}
