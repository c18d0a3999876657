package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"drydock/deploy/machine"
	"drydock/deploy/session"
)

func (p program) exec() *cobra.Command {
	c := &cobra.Command{
		Use:   "exec TASK [flags] -- COMMAND [ARGUMENT…]",
		Short: "Run a command in a container of a task",
		Long: `Run a command in a container of a task that was run with enableExecuteCommand, as
aws ecs execute-command does where Amazon's agent is, and end with its exit code:

  drydock exec -it 0123456789abcdef0123456789abcdef -- sh

The server and the credentials are found as by drydock get-login-password. It takes
the permission ecs:ExecuteCommand on the task and on its cluster.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("%s takes a task and a command (%s --help shows how)", c.CommandPath(), c.CommandPath())
			}
			return nil
		},
	}
	var cluster, container string
	var input, tty bool
	c.Flags().StringVar(&cluster, "cluster", "", "the task's cluster (default: that of the task's ARN, else \"default\")")
	c.Flags().StringVar(&container, "container", "", "the container, where the task has several")
	c.Flags().BoolVarP(&input, "interactive", "i", false, "give the command this standard input")
	c.Flags().BoolVarP(&tty, "tty", "t", false, "give the command a terminal, which is this one")
	call := p.callingECS(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := call()
		if err != nil {
			return err
		}
		as := session.Client{Stdout: p.out, Stderr: p.err, TTY: tty}
		if input {
			as.Stdin = c.InOrStdin()
		}
		if tty {
			sizes, restore, err := terminal(c.InOrStdin())
			if err != nil {
				return err
			}
			defer restore()
			as.Sizes = sizes
		}
		code, err := server.join(c.Context(), whereaboutsOf(cluster, args[0], container), session.Command(args[1:]), as)
		if err != nil {
			return err
		}
		return ended(code)
	}
	return c
}

// terminal has what is typed at a terminal come as it is typed, and tells its sizes,
// now and when they change, until it is restored. Errors: it is no terminal.
func terminal(in io.Reader) (sizes <-chan machine.Size, restore func(), err error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, nil, fmt.Errorf("standard input is not a terminal: leave -t out")
	}
	fd := int(f.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, nil, fmt.Errorf("set the terminal up: %w", err)
	}
	told, changed, done := make(chan machine.Size, 1), make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(changed, syscall.SIGWINCH)
	go func() {
		for {
			if columns, rows, err := term.GetSize(fd); err == nil {
				select {
				case told <- machine.Size{Columns: uint(columns), Rows: uint(rows)}:
				case <-done:
					return
				}
			}
			select {
			case <-changed:
			case <-done:
				return
			}
		}
	}()
	return told, func() {
		signal.Stop(changed)
		close(done)
		_ = term.Restore(fd, before) // there is nobody left to tell
	}, nil
}
