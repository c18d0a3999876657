package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"drydock/auth"
	"drydock/auth/shared"
	"drydock/internal/ca"
	"drydock/internal/config"
	"drydock/internal/datadir"
	"drydock/internal/front"
	"drydock/internal/listen"
	"drydock/internal/metrics"
	"drydock/internal/observe"
	"drydock/internal/registryhost"
	"drydock/storage"
	"drydock/storage/meta"
)

// house is an assembled server that waits for connections.
type house struct {
	front        *front.Front
	tls          *tls.Config
	announcement datadir.Server
	rooms        *rooms
}

// assemble builds a server out of its parts, from the ground up: names, keys,
// certificates, then the rooms, then the front before them. addresses are the
// open ports. It starts nothing.
func assemble(ctx context.Context, cfg config.Config, folder *datadir.Folder, addresses []*net.TCPAddr, version string, log *slog.Logger) (_ *house, err error) {
	names, err := namesOf(cfg, addresses[0])
	if err != nil {
		return nil, err
	}
	records, err := openRecords(ctx, cfg, folder, log)
	if err != nil {
		return nil, err
	}
	mine := true
	defer func() {
		if err != nil && mine {
			_ = records.db.Close() // what went wrong matters more
		}
	}()
	root, roots, err := rootsOf(ctx, cfg, folder, records.shared, log)
	if err != nil {
		return nil, err
	}
	bundle, certificates, err := certificatesOf(ctx, cfg, folder, records.shared, names, addresses, log)
	if err != nil {
		return nil, err
	}
	counts, err := metrics.New(version, metrics.Storage{Folder: folder.Path(), Kept: keptFree(cfg), Database: records.size})
	if err != nil {
		return nil, err
	}
	counted, err := counts.Database(records.db)
	if err != nil {
		return nil, err
	}
	records.db, mine = counted, false
	rooms, err := furnish(ctx, site{
		cfg: cfg, folder: folder, records: records, names: names, roots: roots, log: log,
		watched:      func(next auth.Authorizer) auth.Authorizer { return observe.NewDecisions(next, counts.Decision, log) },
		counts:       counts,
		downloadBase: downloadBase(cfg, names, addresses), addresses: addresses,
	})
	if err != nil {
		return nil, explainStorage(folder.Path(), err)
	}
	template := cfg.RegistryHost
	if template == "" {
		template = config.PlainRegistryHost(addresses[0])
	}
	var listening []string
	for _, a := range addresses {
		listening = append(listening, a.String())
	}
	return &house{
		front: front.New(front.Options{
			Registry: rooms.registry, AWS: rooms.aws, Sessions: rooms.sessions, Ready: rooms.ready,
			Names: names, Metrics: counts, Log: log, Now: time.Now, Rand: rand.Reader,
		}),
		tls:   certificates,
		rooms: rooms,
		announcement: datadir.Server{
			PID: os.Getpid(), URL: endpoint(cfg, names, addresses[0]), CABundle: bundle, AccessKeyID: root.AccessKeyID,
			Listen: listening, Account: cfg.Account, Region: cfg.Region, RegistryHost: template,
		},
	}, nil
}

// explainStorage says what to do about storage that cannot be opened. A database
// tells of a full disk in its own way.
func explainStorage(path string, err error) error {
	var file *fileError
	if errors.As(err, &file) {
		return file
	}
	var place *placeError
	if errors.As(err, &place) {
		return place
	}
	if errors.Is(err, storage.ErrFull) || errors.Is(err, meta.ErrFull) {
		err = fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	return datadir.Explain(path, err)
}

func (h *house) close() error { return h.rooms.close() }

func namesOf(cfg config.Config, first *net.TCPAddr) (*registryhost.Names, error) {
	template := cfg.RegistryHost
	if template == "" {
		template = config.PlainRegistryHost(first)
	}
	return registryhost.New(cfg.Account, cfg.Region, template, strconv.Itoa(first.Port))
}

// rootsOf collects the root keys that are given; root is that of the default
// account.
func rootsOf(ctx context.Context, cfg config.Config, folder *datadir.Folder, secrets *shared.Secrets, log *slog.Logger) (root datadir.Key, roots []auth.Credential, err error) {
	if root = cfg.RootKey; root == (datadir.Key{}) {
		if root, err = madeRootKey(ctx, folder, secrets, log); err != nil {
			return root, nil, err
		}
	}
	roots = []auth.Credential{rootCredential(cfg.Account, root)}
	for _, a := range cfg.Accounts {
		roots = append(roots, rootCredential(a.ID, datadir.Key{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey}))
	}
	if _, err := auth.NewStaticKeys(roots...); err != nil {
		return root, nil, fmt.Errorf("the root keys of the accounts: %w", err)
	}
	return root, roots, nil
}

func rootCredential(account string, k datadir.Key) auth.Credential {
	return auth.Credential{
		AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey,
		Principal: auth.Principal{ARN: auth.RootARN(account), Account: account, UserID: account},
	}
}

// tlsFolder is where a data folder keeps the certificate authority.
func tlsFolder(data string) string { return filepath.Join(data, "tls") }

// certificatesOf prepares TLS, with the user's own certificate or the server's
// authority, whose certificate is then in the file named bundle.
func certificatesOf(ctx context.Context, cfg config.Config, folder *datadir.Folder, secrets *shared.Secrets, names *registryhost.Names, addresses []*net.TCPAddr, log *slog.Logger) (bundle string, _ *tls.Config, _ error) {
	if cfg.TLSCert != "" {
		pair, err := ca.OpenPair(cfg.TLSCert, cfg.TLSKey, log)
		if err != nil {
			return "", nil, err
		}
		return "", listen.TLS(pair.GetCertificate), nil
	}
	o := ca.Options{
		Folder: tlsFolder(folder.Path()), Answers: names.Answers, Domains: registryhost.AmazonDomains(),
		Now: time.Now, Rand: rand.Reader,
	}
	if own := names.OwnDomain(); own != "" {
		o.Domains = append(o.Domains, own)
	}
	for _, a := range addresses {
		if !a.IP.IsUnspecified() && !a.IP.IsLoopback() {
			o.IPs = append(o.IPs, a.IP)
		}
	}
	if ip := names.OwnIP(); ip != nil && !ip.IsLoopback() {
		o.IPs = append(o.IPs, ip)
	}
	authority, err := openAuthority(ctx, o, secrets, log)
	if err != nil {
		return "", nil, datadir.Explain(folder.Path(), err)
	}
	if authority.Renewed() {
		log.Warn("the certificate of the authority was renewed: machines that trust the one before need drydock trust again")
	}
	return ca.CertificateFile(o.Folder), listen.TLS(authority.GetCertificate), nil
}

// endpoint is the address under which this machine reaches the server best.
func endpoint(cfg config.Config, names *registryhost.Names, first *net.TCPAddr) string {
	switch {
	case first.IP.IsLoopback() || first.IP.IsUnspecified():
		return "http://" + net.JoinHostPort("localhost", strconv.Itoa(first.Port))
	case cfg.RegistryHost != "":
		return "https://" + names.Host(cfg.Account, cfg.Region)
	}
	return "https://" + first.String()
}

// downloadBase is where any HTTP client, which may trust no authority of ours,
// fetches a layer: over plain HTTP where all who can reach the server may use it.
// A host of the user's own may lead to a proxy, of which https can be expected.
func downloadBase(cfg config.Config, names *registryhost.Names, addresses []*net.TCPAddr) func(account, region string) string {
	local := !slices.ContainsFunc(addresses, func(a *net.TCPAddr) bool { return !a.IP.IsLoopback() })
	if own := cfg.RegistryHost != "" && names.OwnDomain() != ""; own || !local && !cfg.AllowPlainHTTP {
		return names.ProxyEndpoint
	}
	return func(account, region string) string {
		host := names.Host(account, region)
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "443") // left out because https implies it
		}
		return "http://" + host
	}
}

// closeAll closes in the order opposite to that of opening.
func closeAll(closers []func() error) error {
	var errs []error
	for i := len(closers) - 1; i >= 0; i-- {
		errs = append(errs, closers[i]())
	}
	return errors.Join(errs...)
}
