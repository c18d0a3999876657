package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"drydock/internal/registryhost"
)

// setting is one thing that can be told by flag, variable and file.
type setting struct {
	name  string // of the flag and the file's key; the variable's follows from it
	value string // what the value is called in --help
	usage string
	// set takes the values given: one, or several where many is true.
	set  func(c *Config, values []string) error
	show func(c Config) string
	many bool
	flag bool // a flag that needs no value
	// setMap takes a mapping of the file, where the setting can be one.
	setMap func(c *Config, n *yaml.Node) error
	// public refuses a value that must not stand in an argument, or is nil.
	public func(v string) error
}

// one makes a setter of a single value.
func one(set func(c *Config, v string) error) func(*Config, []string) error {
	return func(c *Config, values []string) error { return set(c, values[len(values)-1]) }
}

// text makes a setter that takes any text, and text's reader.
func text(field func(*Config) *string) (func(*Config, []string) error, func(Config) string) {
	return one(func(c *Config, v string) error { *field(c) = v; return nil }),
		func(c Config) string { return *field(&c) }
}

// settings is the table. configFile is not in it: it says where to read.
func settings() []setting {
	data := setting{name: "data", value: "DIR", usage: "keep everything in this folder"}
	data.set, data.show = text(func(c *Config) *string { return &c.Data })
	host := setting{name: "registry-host", value: "HOST", usage: "the address that clients use for the registry: a host name, which may hold {account} and {region}, or aws for Amazon's own names (default: the plain address of the first --listen)"}
	host.set, host.show = text(func(c *Config) *string { return &c.RegistryHost })
	cert := setting{name: "tls-cert", value: "FILE", usage: "use this certificate chain (PEM) instead of the server's own certificates; read again when it changes"}
	cert.set, cert.show = text(func(c *Config) *string { return &c.TLSCert })
	key := setting{name: "tls-key", value: "FILE", usage: "the key (PEM) of --tls-cert"}
	key.set, key.show = text(func(c *Config) *string { return &c.TLSKey })
	guardrail := setting{name: "guardrail", value: "FILE", usage: "limit all accounts, their roots included, by this policy (JSON), as a service control policy does"}
	guardrail.set, guardrail.show = text(func(c *Config) *string { return &c.Guardrail })

	iam := setting{name: "iam", value: "FILE", usage: "make at each start the users, groups, roles, policies and keys that this file (YAML or JSON) declares"}
	iam.set, iam.show = text(func(c *Config) *string { return &c.IAM })

	return []setting{
		data,
		{name: "blobs", value: "PLACE", usage: "keep blobs on disk, in the data folder, or in a bucket: s3://BUCKET/PREFIX?endpoint=URL&region=NAME&path-style=true&sse=AES256",
			set: one(setBlobs), setMap: blobsNode, show: showBlobs},
		{name: "db", value: "PLACE", usage: "keep records in sqlite, a file in the data folder, or in a PostgreSQL database that several servers may share: postgres://USER@HOST:PORT/NAME",
			set: one(setDB), public: publicDB, show: func(c Config) string { return c.DB.String() }},
		{name: "redirect", usage: "send those who pull a layer to the bucket that has it, by an address that is good for 20 minutes", flag: true,
			set:  one(func(c *Config, v string) (err error) { c.Redirect, err = truth(v); return err }),
			show: func(c Config) string { return strconv.FormatBool(c.Redirect) }},
		{name: "listen", value: "ADDR", usage: "serve on this host:port; may be given several times", many: true,
			set: setListen, show: func(c Config) string { return strings.Join(c.Listen, ",") }},
		{name: "account", value: "ID", usage: "the account of requests that name none",
			set: one(func(c *Config, v string) error {
				if !registryhost.ValidAccount(v) {
					return fmt.Errorf("%q is not an account id, which has 10 to 12 digits", v)
				}
				c.Account = v
				return nil
			}), show: func(c Config) string { return c.Account }},
		{name: "region", value: "NAME", usage: "the region of requests that name none",
			set: one(func(c *Config, v string) error {
				if !registryhost.ValidRegion(v) {
					return fmt.Errorf("%q is not the name of a region, such as eu-west-1", v)
				}
				c.Region = v
				return nil
			}), show: func(c Config) string { return c.Region }},
		host,
		{name: "log-format", value: "FORMAT", usage: "write logs as text or json",
			set:  one(func(c *Config, v string) error { c.LogFormat = v; return among(v, "text", "json") }),
			show: func(c Config) string { return c.LogFormat }},
		{name: "log-level", value: "LEVEL", usage: "log from this level on: debug, info, warn or error",
			set:  one(func(c *Config, v string) error { c.LogLevel = v; return among(v, "debug", "info", "warn", "error") }),
			show: func(c Config) string { return c.LogLevel }},
		{name: "allow-plain-http", usage: "accept plain HTTP from other machines too, passwords and all", flag: true,
			set: one(func(c *Config, v string) (err error) { c.AllowPlainHTTP, err = truth(v); return err }), show: func(c Config) string { return strconv.FormatBool(c.AllowPlainHTTP) }},
		cert,
		key,
		guardrail,
		iam,
		{name: "engine", value: "ENGINE", usage: "run the tasks of ECS on this Docker Engine: auto for the one that answers, none, or an address such as unix:///var/run/docker.sock",
			set: one(setEngine), show: func(c Config) string { return c.Engine }},
		{name: "allow-privileged-tasks", usage: "let tasks have what gives power over this machine: privileged containers, devices, folders of the machine", flag: true,
			set: one(func(c *Config, v string) (err error) { c.PrivilegedTasks, err = truth(v); return err }), show: func(c Config) string { return strconv.FormatBool(c.PrivilegedTasks) }},
		{name: "pprof", value: "ADDR", usage: "serve Go profiles on this loopback host:port",
			set: one(setPprof), show: func(c Config) string { return c.Pprof }},
		{name: "upload-expiry", value: "DURATION", usage: "throw unfinished uploads away that were not touched for so long",
			set: one(func(c *Config, v string) error { return setDuration(&c.UploadExpiry, v, time.Minute) }), show: func(c Config) string { return duration(c.UploadExpiry) }},
		// Less than some minutes is for tests: a push may take longer.
		{name: "gc-grace", value: "DURATION", usage: "keep a layer that no image needs for so long",
			set: one(func(c *Config, v string) error { return setDuration(&c.GCGrace, v, time.Second) }), show: func(c Config) string { return duration(c.GCGrace) }},
		{name: "gc-trash", value: "DURATION", usage: "keep what was deleted for so long, to bring it back with drydock gc undelete",
			set: one(func(c *Config, v string) error { return setDuration(&c.GCTrash, v, time.Second) }), show: func(c Config) string { return duration(c.GCTrash) }},
		{name: "scrub-period", value: "DURATION", usage: "read everything that is stored once in so long, and say where it is spoilt; 0 for never",
			set: one(setScrubPeriod), show: func(c Config) string { return duration(c.ScrubPeriod) }},
		quota("account-quota", "let each account that has no quota of its own hold no more than this: bytes=100GiB,images=10000", func(c *Config) *Quota { return &c.AccountQuota }),
		quota("repository-quota", "let each repository that has no quota of its own hold no more than this: bytes=10GiB,images=1000", func(c *Config) *Quota { return &c.RepositoryQuota }),
		count("registry-repositories", "let each account have no more repositories than this in a region", func(c *Config) *int64 { return &c.RegistryRepositories }),
		count("image-tags", "let each image have no more tags than this", func(c *Config) *int64 { return &c.ImageTags }),
		{name: "disk-watermark", value: "ROOM", usage: "take in nothing more while less than this is free on the disk of the data folder: a size such as 10GiB, a part of the disk such as 5%, the smaller of both, or 0",
			set: one(setWatermark), show: func(c Config) string { return c.DiskWatermark.String() }},
	}
}

// setDuration reads a duration that is not shorter than least.
func setDuration(d *time.Duration, v string, least time.Duration) error {
	parsed, err := time.ParseDuration(v)
	if err != nil || parsed < least {
		return fmt.Errorf("%q is not a duration of %s or more, such as 90m or 24h", v, map[time.Duration]string{time.Minute: "a minute", time.Second: "a second"}[least])
	}
	*d = parsed
	return nil
}

func setScrubPeriod(c *Config, v string) error {
	if v == "0" {
		c.ScrubPeriod = 0
		return nil
	}
	return setDuration(&c.ScrubPeriod, v, time.Minute)
}

// Level is the log level as slog has it.
func (c Config) Level() slog.Level {
	var l slog.Level
	_ = l.UnmarshalText([]byte(c.LogLevel)) // the setter let only known ones pass
	return l
}

func truth(v string) (bool, error) {
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", v)
	}
	return b, nil
}

func among(v string, known ...string) error {
	if slices.Contains(known, v) {
		return nil
	}
	return fmt.Errorf("%q is not one of %s", v, strings.Join(known, ", "))
}

func setListen(c *Config, values []string) error {
	for _, v := range values {
		if _, port, err := net.SplitHostPort(v); err != nil || !isPort(port) {
			return fmt.Errorf("%q is not an address of the form host:port, such as 127.0.0.1:5000", v)
		}
	}
	c.Listen = values
	return nil
}

func setPprof(c *Config, v string) error {
	host, port, err := net.SplitHostPort(v)
	if err != nil || !isPort(port) {
		return fmt.Errorf("%q is not an address of the form host:port, such as 127.0.0.1:6060", v)
	}
	ip, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("%q is not a loopback address: profiles show what the server holds in memory, so they are for this machine only", v)
	}
	c.Pprof = v
	return nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n <= 65535
}

// duration spells 24h0m0s as people do.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
