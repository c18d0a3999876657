package signing

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"drydock/storage"
)

// Kind is what the signing configuration is called among the settings of a registry.
const Kind = "signing"

// Configuration says which images of a registry are signed, and with what.
type Configuration struct {
	Rules []Rule `json:"rules"`
}

// Rule has images of some repositories signed with a profile.
type Rule struct {
	// Profile is the ARN of the profile.
	Profile string `json:"profile"`
	// Repositories are patterns of names, in which * is any run of characters. Where
	// there is none all are meant.
	Repositories []string `json:"repositories,omitempty"`
}

// Key is that of the configuration of a registry.
func Key(of storage.Scope) storage.SettingKey {
	return storage.SettingKey{Ref: storage.Ref{Scope: of}, Kind: Kind}
}

// Document is the configuration as a setting.
func (c Configuration) Document() (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("write a signing configuration: %w", err)
	}
	return string(text), nil
}

// Read reads a configuration from a setting.
func Read(document string) (Configuration, error) {
	var c Configuration
	if err := json.Unmarshal([]byte(document), &c); err != nil {
		return c, fmt.Errorf("read a signing configuration: %w", err)
	}
	return c, nil
}

// profiles are those that images of a repository are signed with, each once.
func (c Configuration) profiles(repository string) []string {
	var all []string
	for _, r := range c.Rules {
		fits := len(r.Repositories) == 0 || slices.ContainsFunc(r.Repositories, func(p string) bool { return matches(p, repository) })
		if fits && !slices.Contains(all, r.Profile) {
			all = append(all, r.Profile)
		}
	}
	return all
}

// matches reports whether a name fits a pattern in which * is any run of
// characters, slashes too.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	if last == 0 {
		return pattern == name
	}
	rest, found := strings.CutPrefix(name, parts[0])
	for _, p := range parts[1:last] {
		if !found {
			return false
		}
		_, rest, found = strings.Cut(rest, p)
	}
	return found && strings.HasSuffix(rest, parts[last])
}

// Queue is where images wait to be signed.
const Queue = "signing"

// order is the document of a job: an image to be signed with one profile.
type order struct {
	Account    string        `json:"account"`
	Region     string        `json:"region"`
	Repository string        `json:"repository"`
	Digest     digest.Digest `json:"digest"`
	Profile    string        `json:"profile"`
	// By is who pushed it, as auth.CallerOf writes it.
	By string `json:"by"`
}

func (o order) signing() storage.Signing {
	return storage.Signing{
		Ref: storage.Ref{Scope: storage.Scope{Account: o.Account, Region: o.Region}, Name: o.Repository}, Digest: o.Digest, Profile: o.Profile,
	}
}

// jobsOf is what the keys of the jobs begin with that sign an image; the ARN of the
// profile follows.
func jobsOf(ref storage.Ref, d digest.Digest) string {
	return strings.Join([]string{ref.Account, ref.Region, ref.Name, string(d)}, " ") + " "
}

// attached is the form of the tags under which tools keep signatures and the like of
// the image that they name, where they do not say so in the manifest: cosign's, and
// those of the referrers tag schema.
var attached = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)

// Watcher has images signed that somebody pushes. What belongs to another image, as
// signatures do, is not; nor is what the server itself brings, from other registries
// or other servers.
func Watcher() storage.Watcher {
	isName := func(tag string) bool { return !attached.MatchString(tag) }
	return storage.Watcher{Kinds: []string{Kind}, Decide: func(c storage.Change, settings []storage.Setting) ([]storage.Job, error) {
		if c.Kind != storage.ImagePushed || c.By == "" || c.Subject != "" || len(c.Tags) > 0 && !slices.ContainsFunc(c.Tags, isName) {
			return nil, nil
		}
		var jobs []storage.Job
		for _, s := range settings {
			conf, err := Read(s.Document)
			if err != nil {
				return nil, err
			}
			for _, p := range conf.profiles(c.Ref.Name) {
				document, err := json.Marshal(order{c.Ref.Account, c.Ref.Region, c.Ref.Name, c.Digest, p, c.By})
				if err != nil {
					return nil, fmt.Errorf("order the signature of image %s: %w", c.Digest, err)
				}
				jobs = append(jobs, storage.Job{Queue: Queue, Key: jobsOf(c.Ref, c.Digest) + p, Document: string(document)})
			}
		}
		return jobs, nil
	}}
}
