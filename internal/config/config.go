// Package config is how a server is told what to do: by flags, by environment
// variables and by a YAML file, in this order of precedence, over defaults. One
// table (settings.go) names every setting, and the three ways are derived from
// it, so that they cannot disagree.
package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"drydock/internal/datadir"
	"drydock/internal/diskroom"
	"drydock/internal/registryhost"
)

// Config is everything that a server is told.
type Config struct {
	// Data is the data folder.
	Data string
	// Blobs is where blobs are kept, and S3Key the key for it when the environment
	// gives one; else it is empty, and the SDK's own ways lead to one.
	Blobs Blobs
	S3Key datadir.Key
	// DB is where records are kept.
	DB DB
	// Redirect sends those who pull a blob to where it is.
	Redirect bool
	// Listen are the addresses to listen on, host:port; at least one.
	Listen []string
	// Account and Region are what applies where neither a request's signature
	// nor its host name tells.
	Account, Region string
	// RegistryHost is the template of the registry's addresses, see
	// registryhost.New. Empty stands for the plain address of the first
	// listener, which PlainRegistryHost finds once it is open.
	RegistryHost string
	LogFormat    string // text or json
	LogLevel     string // debug, info, warn or error
	// AllowPlainHTTP accepts plain HTTP from other machines.
	AllowPlainHTTP bool
	// TLSCert and TLSKey are the user's own certificate and key; both or neither.
	TLSCert, TLSKey string
	// Pprof is a loopback address for profiles; empty for none.
	Pprof string
	// UploadExpiry is how long an upload may lie untouched.
	UploadExpiry time.Duration
	// GCGrace is how long a layer may lie without an image that needs it, and
	// GCTrash how long what was deleted can be brought back.
	GCGrace, GCTrash time.Duration
	// ScrubPeriod is how long it takes until everything that is stored has been read
	// once in the background; 0 is never.
	ScrubPeriod time.Duration
	// AccountQuota and RepositoryQuota are those of accounts and repositories that
	// have none of their own.
	AccountQuota, RepositoryQuota Quota
	// RegistryRepositories is how many repositories an account may have in a region,
	// and ImageTags how many tags an image; 0 is any number.
	RegistryRepositories, ImageTags int64
	// DiskWatermark is how much of the disk of the data folder is left free.
	DiskWatermark diskroom.Watermark

	// Engine is where the tasks of ECS run: EngineAuto, EngineNone or the address
	// of a Docker Engine.
	Engine string
	// PrivilegedTasks allows tasks what gives power over this machine.
	PrivilegedTasks bool

	// Guardrail is the file of a policy that limits all accounts; empty for
	// none.
	Guardrail string
	// IAM is the file that declares who there is and what they may do; empty for
	// none.
	IAM string

	// SealKey is the key of the secrets in the database, in base64, when the
	// environment gives it; else it is empty, and the data folder keeps the key.
	SealKey string
	// RootKey is the root key of Account when the environment gives it; else it
	// is empty, and the data folder keeps the key.
	RootKey datadir.Key
	// Accounts are further accounts with their root keys; only a file gives them.
	Accounts []Account
}

// Account is a further account that lives on the server.
type Account struct {
	ID              string
	AccessKeyID     string
	SecretAccessKey string
}

// Default is the configuration of a server that is told nothing. Data is empty
// when the user has no home folder; a server then has to be told.
func Default(getenv func(string) string) Config {
	data, err := datadir.Default(getenv)
	if err != nil {
		data = ""
	}
	return Config{
		Data:         data,
		Listen:       []string{"127.0.0.1:5000"},
		Account:      "123456789012",
		Region:       "us-east-1",
		LogFormat:    "text",
		LogLevel:     "info",
		UploadExpiry: 24 * time.Hour,
		GCGrace:      24 * time.Hour,
		GCTrash:      7 * 24 * time.Hour,
		ScrubPeriod:  30 * 24 * time.Hour,

		// Those of AWS.
		RepositoryQuota: Quota{Images: 100_000}, RegistryRepositories: 100_000, ImageTags: 1000,
		Engine: EngineAuto,
		// So much that a server which has stopped taking in more can still delete,
		// and not so much of a small disk that nothing could be stored on it.
		DiskWatermark: diskroom.Watermark{Bytes: 1 << 30, Percent: 2},
	}
}

// PlainRegistryHost is the registry host for a server that is told none: the
// address as docker takes it without TLS, which is localhost for loopback and for
// all addresses at once.
func PlainRegistryHost(listener net.Addr) string {
	host, port, err := net.SplitHostPort(listener.String())
	if err != nil {
		return listener.String()
	}
	if ip := net.ParseIP(host); ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// check finds what no single setting shows.
func (c *Config) check() error {
	if c.Data == "" {
		return errors.New("there is no home folder to keep data in: name a folder with --data")
	}
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("finding the data folder %s: %w", c.Data, err)
	}
	c.Data = data
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key belong together: give both, or neither to use the server's own certificates")
	}
	if (c.S3Key.AccessKeyID == "") != (c.S3Key.SecretAccessKey == "") {
		return fmt.Errorf("%s and %s belong together: set both, or neither to have them found as AWS's own programs do", s3KeyID, s3KeySecret)
	}
	if c.Redirect && c.Blobs.Bucket == "" {
		return errors.New("--redirect needs blobs that are in a bucket: see --blobs")
	}
	template := c.RegistryHost
	if template == "" {
		template = "localhost"
	}
	if _, err := registryhost.New(c.Account, c.Region, template, "443"); err != nil {
		return err
	}
	if (c.RootKey.AccessKeyID == "") != (c.RootKey.SecretAccessKey == "") {
		return fmt.Errorf("%s and %s belong together: set both, or neither to have a key made", rootKeyID, rootKeySecret)
	}
	seen := map[string]bool{c.Account: true}
	for _, a := range c.Accounts {
		switch {
		case !registryhost.ValidAccount(a.ID):
			return fmt.Errorf("accounts: %q is not an account id: one has 10 to 12 digits, in quotes", a.ID)
		case a.ID == c.Account:
			return fmt.Errorf("accounts: %s is the default account: its root key comes from %s and %s or is made by the server", a.ID, rootKeyID, rootKeySecret)
		case seen[a.ID]:
			return fmt.Errorf("accounts: %s is listed twice", a.ID)
		}
		seen[a.ID] = true
		if err := checkKey(datadir.Key{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey}); err != nil {
			return fmt.Errorf("accounts: %s: %w", a.ID, err)
		}
	}
	if c.RootKey != (datadir.Key{}) {
		if err := checkKey(c.RootKey); err != nil {
			return fmt.Errorf("%s and %s: %w", rootKeyID, rootKeySecret, err)
		}
	}
	return nil
}

// checkKey refuses keys that could not be used: an id stands between slashes in
// a signature's scope and in front of a comma.
func checkKey(k datadir.Key) error {
	notWord := func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	switch {
	case k.AccessKeyID == "" || len(k.AccessKeyID) > 128 || strings.ContainsFunc(k.AccessKeyID, notWord):
		return fmt.Errorf("%q is not an access key id: it has 1 to 128 letters, digits and underscores", k.AccessKeyID)
	case k.SecretAccessKey == "" || strings.ContainsAny(k.SecretAccessKey, " \t\r\n"):
		return fmt.Errorf("the secret of access key %s is empty or holds spaces", k.AccessKeyID)
	}
	return nil
}

// readFile reads the YAML file of --config.
func readFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration, check --config: %w", err)
	}
	return b, nil
}
