package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"drydock/internal/ca"
	"drydock/internal/config"
	"drydock/internal/registryhost"
	"drydock/internal/trust"
)

// trustFlags are the command's own flags.
type trustFlags struct {
	install, remove bool
	names           []string
	root            string
}

func (p program) trust() *cobra.Command {
	c := &cobra.Command{
		Use:   "trust",
		Short: "Print the server's certificate authority, or make this machine trust it",
		Long: `Print the certificate of the server's own authority.

With --install, make this machine trust it and find the server under Amazon's
names: the certificate goes into the system's trust store and, for the registry's
names, into Docker's certs.d; the names go into /etc/hosts. They are those of the
account and the region, and what --name adds. With --remove, all of it is taken out
again. Both need root. With sudo, name the data folder: the default is that of root.`,
		Args: noArguments,
	}
	load := p.lookingAt(c, "account", "region", "registry-host", "listen")
	var f trustFlags
	c.Flags().BoolVar(&f.install, "install", false, "make this machine trust the server and find its names")
	c.Flags().BoolVar(&f.remove, "remove", false, "take out what --install put in")
	c.Flags().StringArrayVar(&f.names, "name", nil, "a further `NAME` of the server; may be given several times")
	c.Flags().StringVar(&f.root, "root", "/", "change the system below this `DIR`, for images")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case f.install && f.remove:
			return errors.New("--install and --remove exclude each other")
		case f.remove:
			return p.removeTrust(c.Context(), f)
		}
		v, err := load()
		if err != nil {
			return err
		}
		pem, err := readAuthority(v)
		if err != nil {
			return err
		}
		if !f.install {
			_, err = p.out.Write(pem)
			return err
		}
		return p.installTrust(c.Context(), v.Config, pem, f)
	}
	return c
}

func readAuthority(v view) ([]byte, error) {
	if v.TLSCert != "" || v.absent == nil && v.server.CABundle == "" {
		return nil, errors.New("this server has a certificate of your own (--tls-cert): there is no authority of drydock's to trust")
	}
	pem, err := os.ReadFile(ca.CertificateFile(tlsFolder(v.Data)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no certificate authority in the data folder %s: start the server once with drydock serve, which makes it, or name its folder with --data", v.Data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	return pem, nil
}

func (p program) installTrust(ctx context.Context, cfg config.Config, pem []byte, f trustFlags) error {
	what, err := whatToTrust(cfg, f.names)
	if err != nil {
		return err
	}
	what.CA = pem
	done, err := system(f).Install(ctx, what)
	for _, line := range done {
		fmt.Fprintln(p.out, "installed in", line)
	}
	if err != nil {
		return needsRoot(err, "--install --data "+quote(cfg.Data))
	}
	_, err = fmt.Fprintf(p.out, `
docker takes this up at once, other programs when they start. The aws CLI and
whatever else is made with botocore do not read the system's trust store; for them
  export AWS_CA_BUNDLE=%s
`, quote(ca.CertificateFile(tlsFolder(cfg.Data))))
	return err
}

func (p program) removeTrust(ctx context.Context, f trustFlags) error {
	done, err := system(f).Remove(ctx)
	for _, line := range done {
		fmt.Fprintln(p.out, "removed from", line)
	}
	if err != nil {
		return needsRoot(err, "--remove")
	}
	if len(done) == 0 {
		fmt.Fprintln(p.out, "nothing of drydock's was installed")
	}
	return nil
}

func needsRoot(err error, flags string) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("this needs root, try sudo drydock trust %s (%w)", flags, err)
	}
	return err
}

func system(f trustFlags) trust.System {
	return trust.System{Root: f.root, Run: func(ctx context.Context, name string, args ...string) error {
		out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	}}
}

// whatToTrust collects the names of a server.
func whatToTrust(cfg config.Config, more []string) (trust.What, error) {
	address, template, port, err := place(cfg)
	if err != nil {
		return trust.What{}, err
	}
	own, err := registryhost.New(cfg.Account, cfg.Region, template, port)
	if err != nil {
		return trust.What{}, err
	}
	amazon, err := registryhost.New(cfg.Account, cfg.Region, registryhost.AWS, port)
	if err != nil {
		return trust.What{}, err
	}
	what := trust.What{Address: address}
	add := func(host string) {
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = host
		}
		if name != "localhost" && net.ParseIP(name) == nil && !slices.Contains(what.Names, name) {
			what.Names = append(what.Names, name)
		}
	}
	for _, host := range []string{amazon.Host(cfg.Account, cfg.Region), own.Host(cfg.Account, cfg.Region)} {
		add(host)
		if !slices.Contains(what.Registries, host) {
			what.Registries = append(what.Registries, host)
		}
	}
	for _, host := range registryhost.APIHosts(cfg.Region) {
		add(host)
	}
	for _, name := range more {
		if !own.Answers(name) {
			return trust.What{}, fmt.Errorf("--name: %q is not a name that this server answers: it answers Amazon's names for ECR and its --registry-host", name)
		}
		add(name)
		if host := withPort(name, port); !registryhost.IsAPI(name) && !slices.Contains(what.Registries, host) {
			what.Registries = append(what.Registries, host)
		}
	}
	return what, nil
}

func withPort(name, port string) string {
	if port == "443" {
		return name
	}
	return net.JoinHostPort(name, port)
}

// place is where the server is: the address to which names lead, the template of
// the registry's names, and the port.
func place(cfg config.Config) (address, template, port string, err error) {
	tcp, err := net.ResolveTCPAddr("tcp", cfg.Listen[0])
	if err != nil {
		return "", "", "", fmt.Errorf("finding the address of the server: %w", err)
	}
	template = cfg.RegistryHost
	if template == "" {
		template = config.PlainRegistryHost(tcp)
	}
	address = tcp.IP.String()
	if tcp.IP == nil || tcp.IP.IsUnspecified() {
		address = "127.0.0.1"
	}
	return address, template, strconv.Itoa(tcp.Port), nil
}
