package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"drydock/internal/datadir"
)

func (p program) env() *cobra.Command {
	c := &cobra.Command{
		Use:   "env",
		Short: "Print the exports that make the aws CLI and SDKs use the running server",
		Long: `Print shell commands that make the aws CLI and Amazon's SDKs use the server that
runs on the data folder, as the root of its account:

  eval "$(drydock env)"`,
		Args: noArguments,
	}
	load := p.lookingAt(c)
	c.RunE = func(*cobra.Command, []string) error {
		v, err := load()
		if err != nil {
			return err
		}
		if v.absent != nil {
			return v.absent
		}
		key, err := v.rootKey()
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(p.out, exports(v.server, key, p.getenv("AWS_SESSION_TOKEN") != ""))
		return err
	}
	return c
}

// exports are the commands as a shell reads them. A session token that the shell
// still has would be sent along with a key that it does not belong to.
func exports(s datadir.Server, key datadir.Key, hasToken bool) string {
	var b strings.Builder
	for _, v := range [][2]string{
		{"AWS_ENDPOINT_URL", s.URL},
		{"AWS_ACCESS_KEY_ID", key.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", key.SecretAccessKey},
		{"AWS_DEFAULT_REGION", s.Region},
		{"AWS_REGION", s.Region},
	} {
		b.WriteString("export " + v[0] + "=" + quote(v[1]) + "\n")
	}
	if strings.HasPrefix(s.URL, "https:") && s.CABundle != "" {
		b.WriteString("export AWS_CA_BUNDLE=" + quote(s.CABundle) + "\n")
	}
	if hasToken {
		b.WriteString("unset AWS_SESSION_TOKEN\n")
	}
	return b.String()
}

// quote makes one word of a POSIX shell out of any text.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+=:,./_-", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
