package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"drydock/internal/nearest"
)

const (
	prefix        = "DRYDOCK_"
	configFile    = "config"
	rootKeyID     = prefix + "ROOT_ACCESS_KEY_ID"
	rootKeySecret = prefix + "ROOT_SECRET_ACCESS_KEY"
	sealKey       = prefix + "SEAL_KEY"
)

// Source is where a configuration is read from: a command's flags, the
// environment and, where one of them names it, a file.
type Source struct {
	given   map[string]*given
	file    *given
	environ []string
	// Lenient lets unknown variables pass. A server refuses them, because it
	// would run for long without the setting that somebody meant; commands that
	// look at a server run where other programs' variables may lie about.
	Lenient bool
}

// given is a flag as it was given, before it is known to be good.
type given struct {
	setting
	standard string
	values   []string
}

func (g *given) String() string     { return g.standard }
func (g *given) Type() string       { return g.value }
func (g *given) IsBoolFlag() bool   { return g.flag }
func (g *given) Set(v string) error { g.values = append(g.values, v); return nil }

// mayBeSeen looks at all values, also those that a later one overrides.
func (g *given) mayBeSeen() error {
	for _, v := range g.values {
		if g.public == nil {
			return nil
		}
		if err := g.public(v); err != nil {
			return err
		}
	}
	return nil
}

// Bind adds flags to a command: --config and those named, or all when none is.
// What standard holds is shown as the defaults.
func Bind(flags *pflag.FlagSet, environ []string, standard Config, names ...string) *Source {
	s := &Source{given: map[string]*given{}, environ: environ}
	add := func(def setting, shown string) *given {
		g := &given{setting: def, standard: shown}
		f := flags.VarPF(g, def.name, "", def.usage+" ("+variable(def.name)+")")
		if def.flag {
			f.NoOptDefVal = "true"
		}
		return g
	}
	for _, def := range settings() {
		if len(names) == 0 || slices.Contains(names, def.name) {
			s.given[def.name] = add(def, def.show(standard))
		}
	}
	s.file = add(setting{name: configFile, value: "FILE", usage: "read settings from this YAML file; its keys are the names of the flags"}, "")
	return s
}

// Load reads the configuration over the defaults given. Errors are sentences
// that name the setting, where it came from and what would be right.
func (s *Source) Load(standard Config) (Config, error) {
	c := standard
	env, err := s.environment()
	if err != nil {
		return Config{}, err
	}
	path := env[variable(configFile)]
	if len(s.file.values) > 0 {
		path = s.file.values[len(s.file.values)-1]
	}
	if path != "" {
		b, err := readFile(path)
		if err != nil {
			return Config{}, err
		}
		if err := fromFile(&c, b); err != nil {
			return Config{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, def := range settings() {
		if v := env[variable(def.name)]; v != "" {
			if err := def.set(&c, def.split(v)); err != nil {
				return Config{}, fmt.Errorf("%s: %w", variable(def.name), err)
			}
		}
		if g := s.given[def.name]; g != nil && len(g.values) > 0 {
			if err := g.mayBeSeen(); err != nil {
				return Config{}, fmt.Errorf("--%s: %w", def.name, err)
			}
			if err := def.set(&c, g.values); err != nil {
				return Config{}, fmt.Errorf("--%s: %w", def.name, err)
			}
		}
	}
	c.RootKey.AccessKeyID, c.RootKey.SecretAccessKey = env[rootKeyID], env[rootKeySecret]
	c.S3Key.AccessKeyID, c.S3Key.SecretAccessKey = env[s3KeyID], env[s3KeySecret]
	c.SealKey = env[sealKey]
	return c, c.check()
}

func variable(name string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func (d setting) split(v string) []string {
	if !d.many {
		return []string{v}
	}
	parts := strings.Split(v, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// linked matches the variables that Kubernetes, and Docker with --link, set in
// containers beside a service that is called drydock. Nobody wrote them.
// DRYDOCK_PORT is one when its value is a URL, else somebody's misunderstanding.
// Source: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
var linked = regexp.MustCompile(`^DRYDOCK_(SERVICE_HOST=|SERVICE_PORT(_[A-Z0-9_]+)?=|PORT=[a-z]+://|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=|NAME=/|ENV_)`)

// environment picks out our variables. A misspelt setting that silently does
// nothing is found late, so unknown ones are refused.
func (s *Source) environment() (map[string]string, error) {
	known := []string{variable(configFile), rootKeyID, rootKeySecret, s3KeyID, s3KeySecret, sealKey}
	for _, def := range settings() {
		known = append(known, variable(def.name))
	}
	env := map[string]string{}
	for _, kv := range s.environ {
		k, v, _ := strings.Cut(kv, "=")
		switch {
		case !strings.HasPrefix(k, prefix) || linked.MatchString(kv):
		case !slices.Contains(known, k) && s.Lenient:
		case !slices.Contains(known, k):
			return nil, fmt.Errorf("the environment variable %s is not one that drydock knows%s", k, nearest.Suggestion(k, known, ""))
		default:
			env[k] = v
		}
	}
	return env, nil
}

// fromFile applies a YAML mapping of settings. The errors name the line.
func fromFile(c *Config, b []byte) error {
	var document yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil // nothing but comments
		}
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	top := document.Content[0]
	if top.Kind != yaml.MappingNode {
		if top.Tag == "!!null" {
			return nil
		}
		return fmt.Errorf("line %d: want settings, each of the form name: value", top.Line)
	}
	known := []string{"accounts"}
	byName := map[string]setting{}
	for _, def := range settings() {
		known = append(known, def.name)
		byName[def.name] = def
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		if seen[key.Value] {
			return fmt.Errorf("line %d: %s is set twice", key.Line, key.Value)
		}
		seen[key.Value] = true
		var err error
		if def, ok := byName[key.Value]; ok {
			err = def.setNode(c, value)
		} else if key.Value == "accounts" {
			c.Accounts, err = accounts(value)
		} else {
			err = errors.New("it is not a setting that drydock knows" + nearest.Suggestion(key.Value, known, ""))
		}
		if err != nil {
			return fmt.Errorf("line %d: %s: %w", key.Line, key.Value, err)
		}
	}
	return nil
}

func (d setting) setNode(c *Config, n *yaml.Node) error {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		return d.set(c, []string{n.Value})
	case n.Kind == yaml.MappingNode && d.setMap != nil:
		return d.setMap(c, n)
	case n.Kind == yaml.SequenceNode && d.many && len(n.Content) > 0:
		var values []string
		for _, v := range n.Content {
			if v.Kind != yaml.ScalarNode {
				return errors.New("want a list of plain values")
			}
			values = append(values, v.Value)
		}
		return d.set(c, values)
	case d.many:
		return errors.New("want a value or a list of values")
	}
	return errors.New("want one value")
}

// accounts takes the values as they are spelt, so that an id such as 0123456789
// stays what it is and is not read as an octal number.
func accounts(n *yaml.Node) ([]Account, error) {
	if n.Kind != yaml.SequenceNode {
		return nil, errors.New("want a list of accounts, each with id, access_key_id and secret_access_key")
	}
	var all []Account
	for _, entry := range n.Content {
		if entry.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("line %d: want id, access_key_id and secret_access_key", entry.Line)
		}
		var a Account
		fields := map[string]*string{"id": &a.ID, "access_key_id": &a.AccessKeyID, "secret_access_key": &a.SecretAccessKey}
		for i := 0; i+1 < len(entry.Content); i += 2 {
			key, value := entry.Content[i], entry.Content[i+1]
			field, ok := fields[key.Value]
			if !ok || value.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: %s: an account has id, access_key_id and secret_access_key, each one value", key.Line, key.Value)
			}
			*field = value.Value
		}
		all = append(all, a)
	}
	return all, nil
}
