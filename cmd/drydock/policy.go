package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"drydock/internal/control"
)

func (p program) policy() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "Find out why something is allowed or refused", Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(p.policyExplain())
	return c
}

func (p program) policyExplain() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain --principal ARN --action ACTION [--resource ARN]",
		Short: "Print how a request would be decided, by which statement, and why not by the others",
		Long: `Print how the running server would decide a request: the decision, the statement that
settles it, and for every other statement why it does not match. Nothing is done.

  drydock policy explain --principal arn:aws:iam::123456789012:user/dev \
    --action ecr:PutImage --resource arn:aws:ecr:us-east-1:123456789012:repository/demo

The principal may be a user, a group, a role, a session of a role, or a root.`,
		Args: noArguments,
	}
	var q control.Question
	c.Flags().StringVar(&q.Principal, "principal", "", "the ARN of who would ask")
	c.Flags().StringVar(&q.Action, "action", "", "the action, such as ecr:BatchGetImage")
	c.Flags().StringVar(&q.Resource, "resource", "*", "the ARN of what it would be done to")
	context := c.Flags().StringArray("context", nil, "a condition key of the request, KEY=VALUE; may be given several times, also for one key")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	client := p.commanding(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if q.Principal == "" || q.Action == "" {
			return fmt.Errorf("%s needs --principal and --action (%s --help shows how)", c.CommandPath(), c.CommandPath())
		}
		// A mistyped action would be denied, which says nothing.
		if service, name, ok := strings.Cut(q.Action, ":"); !ok || service == "" || name == "" || strings.ContainsAny(q.Action, "*?") {
			return fmt.Errorf("--action: %q is not of the form SERVICE:OPERATION, without wildcards", q.Action)
		}
		q.Keys = map[string][]string{}
		for _, kv := range *context {
			k, v, ok := strings.Cut(kv, "=")
			if !ok || k == "" {
				return fmt.Errorf("--context: %q is not of the form KEY=VALUE", kv)
			}
			q.Keys[strings.ToLower(k)] = append(q.Keys[strings.ToLower(k)], v)
		}
		server, err := client()
		if err != nil {
			return err
		}
		x, err := server.Explain(c.Context(), q)
		if err != nil {
			return err
		}
		if *asJSON {
			return p.print(x)
		}
		_, err = fmt.Fprint(p.out, explained(x))
		return err
	}
	return c
}

// explained is an explanation for people.
func explained(x control.Explanation) string {
	var b strings.Builder
	if x.Allowed {
		fmt.Fprintf(&b, "ALLOWED: %s\n", x.Reason)
	} else {
		fmt.Fprintf(&b, "DENIED: %s\n  %s\n", x.Reason, x.Refusal)
	}
	if d := x.Deciding; d != nil {
		fmt.Fprintf(&b, "\nDecided by\n  %s %s\n", d.Effect, named(*d))
	}
	for _, matched := range []bool{true, false} {
		title := "\nMatched\n"
		if !matched {
			title = "\nDid not match\n"
		}
		for _, st := range x.Statements {
			if st.Matched != matched {
				continue
			}
			fmt.Fprintf(&b, "%s  %s %s\n      %s\n", title, st.Effect, named(st), st.Why)
			title = ""
		}
	}
	if len(x.Missing) > 0 {
		fmt.Fprintf(&b, "\nCondition keys that the policies ask for and the request would not have\n  %s\n  (give them with --context KEY=VALUE)\n", strings.Join(x.Missing, ", "))
	}
	return b.String()
}

// named is a statement with the policy that it stands in.
func named(st control.Statement) string {
	label := st.Sid
	if label == "" {
		label = fmt.Sprintf("statement %d", st.Number)
	}
	return fmt.Sprintf("%s, in the %s %s", label, st.Kind, st.Policy)
}
