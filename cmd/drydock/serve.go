package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"drydock/internal/config"
	"drydock/internal/control"
	"drydock/internal/datadir"
	"drydock/internal/listen"
	"drydock/internal/server"
)

func (p program) serve() *cobra.Command {
	standard := config.Default(p.getenv)
	c := &cobra.Command{
		Use:   "serve",
		Short: "Start the server",
		Long: `Start the server: the registry, and the AWS APIs that go with it, on one port.

Every flag can also be set by the environment variable named behind it, or by its
name in the YAML file of --config; a flag goes before a variable, a variable before
the file. The root key of the account is taken from DRYDOCK_ROOT_ACCESS_KEY_ID and
DRYDOCK_ROOT_SECRET_ACCESS_KEY, else made at the first start and kept in the data
folder. The key for the bucket of --blobs is taken from DRYDOCK_S3_ACCESS_KEY_ID and
DRYDOCK_S3_SECRET_ACCESS_KEY, else from where AWS's own programs have theirs.

With --db, several servers may share their records, and with --blobs their layers.
They then need the same DRYDOCK_SEAL_KEY, the key of the secrets in the database
(openssl rand -base64 32 makes one), and are told of a password of the database in
DRYDOCK_DB, the file of --config, PGPASSWORD or PGPASSFILE.`,
		Args: noArguments,
	}
	source := config.Bind(c.Flags(), p.environ, standard)
	c.RunE = func(*cobra.Command, []string) error {
		cfg, err := source.Load(standard)
		if err != nil {
			return err
		}
		ctx, hurry, done := untilStopped()
		defer done()
		return serve(ctx, hurry, cfg, p.version, p.out, logger(cfg, p.err))
	}
	return c
}

// untilStopped returns a context that the first SIGTERM or SIGINT ends, and a
// channel that the second closes.
func untilStopped() (ctx context.Context, hurry <-chan struct{}, done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	second := make(chan struct{})
	go func() {
		<-signals
		cancel()
		<-signals
		close(second)
	}()
	return ctx, second, cancel
}

func logger(cfg config.Config, to io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.Level()}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(to, o))
	}
	return slog.New(slog.NewTextHandler(to, o))
}

// serve runs a server until ctx is done. It takes the data folder and the ports
// before all else, so that what is taken is said at once.
func serve(ctx context.Context, hurry <-chan struct{}, cfg config.Config, version string, out io.Writer, log *slog.Logger) (err error) {
	folder, err := datadir.Open(cfg.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	ports, err := bind(ctx, cfg)
	if err != nil {
		return err
	}
	defer ports.close()
	house, err := assemble(ctx, cfg, folder, ports.addresses(), version, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, house.close()) }()

	var listeners []net.Listener
	for _, l := range ports.public {
		listeners = append(listeners, listen.New(l, listen.Options{TLS: house.tls, AllowPlain: cfg.AllowPlainHTTP}))
	}
	if ports.profiles != nil {
		s := &http.Server{Handler: server.Profiles(), ReadHeaderTimeout: 10 * time.Second}
		go s.Serve(ports.profiles)
		defer s.Close()
	}
	commands, err := control.Listen(control.Path(folder.Path()))
	if err != nil {
		return datadir.Explain(folder.Path(), err)
	}
	house.rooms.background = append(house.rooms.background, func(ctx context.Context) {
		if err := house.rooms.control.Serve(ctx, commands); err != nil {
			log.Error("drydock's own commands are no longer answered", "error", err)
		}
	})
	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	stopped := house.work(ctx, working)
	defer func() {
		stopWork()
		<-stopped
	}()
	if err := folder.Announce(house.announcement); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Withdraw()) }()
	log.Info("serving", "version", version, "data", folder.Path(), "db", cfg.DB.String(), "listen", house.announcement.Listen,
		"account", cfg.Account, "region", cfg.Region, "registry_host", house.announcement.RegistryHost)
	if _, err := fmt.Fprintf(out, "drydock is ready on %s (data in %s)\n", house.announcement.URL, folder.Path()); err != nil {
		return fmt.Errorf("saying that the server is ready: %w", err)
	}
	err = server.Run(ctx, server.Options{
		Listeners: listeners, Handler: house.front, Draining: house.front.Drain, Hurry: hurry, Grace: server.Grace, Log: log,
	})
	log.Info("stopped")
	return err
}

// ports are the open ports of a server.
type ports struct {
	public   []*net.TCPListener
	profiles net.Listener // nil where none are wanted
}

func bind(ctx context.Context, cfg config.Config) (_ *ports, err error) {
	p := new(ports)
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	for _, address := range cfg.Listen {
		l, err := listen.Bind(ctx, address)
		if err != nil {
			return nil, err
		}
		p.public = append(p.public, l)
	}
	if cfg.Pprof != "" {
		if p.profiles, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.Pprof); err != nil {
			return nil, fmt.Errorf("cannot serve profiles on %s, choose another address with --pprof: %w", cfg.Pprof, err)
		}
	}
	return p, nil
}

func (p *ports) addresses() []*net.TCPAddr {
	var all []*net.TCPAddr
	for _, l := range p.public {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			all = append(all, a)
		}
	}
	return all
}

// close closes what is still open; what a server has closed does not mind.
func (p *ports) close() {
	for _, l := range p.public {
		l.Close()
	}
	if p.profiles != nil {
		p.profiles.Close()
	}
}
