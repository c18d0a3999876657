// Package pullthrough serves images of other registries as if they were this one's,
// as pull-through cache rules say: what is asked for and not here is fetched from
// the upstream registry, given to who asked, and kept.
//
// Manifests are kept when they are fetched, layers when somebody asks for them. A tag
// is compared with the upstream's once a day at most; where that does not answer,
// what is kept is served.
//
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html
package pullthrough

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"drydock/internal/registryhost"
	"drydock/storage"
)

// Kind is what rules are called among the settings of a registry; their key is the
// prefix of repositories.
const Kind = "pull-through-cache-rule"

// Root is the prefix of all that no other rule is for and, of an upstream, none.
const Root = "ROOT"

// Most is how many rules a registry can have, as in ECR.
const Most = 50

// Rule says which repositories are those of an upstream registry.
type Rule struct {
	Prefix string `json:"prefix"`
	// URL is the upstream as it was given, Registry its name among those that ECR
	// knows, if it is one.
	URL      string `json:"url"`
	Registry string `json:"registry,omitempty"`
	// Credential is the ARN of the secret to log in with, if any.
	Credential string `json:"credential,omitempty"`
	// UpstreamPrefix begins the names of the upstream's repositories in place of
	// Prefix.
	UpstreamPrefix string `json:"upstream_prefix"`

	CreatedAt time.Time `json:"-"`
	UpdatedAt time.Time `json:"-"`
}

// Key is where the rule of a prefix is kept. A slash at its end means nothing: there
// is always one.
func Key(of storage.Scope, prefix string) storage.SettingKey {
	return storage.SettingKey{Ref: storage.Ref{Scope: of}, Kind: Kind, Key: strings.TrimSuffix(prefix, "/")}
}

// Read reads a rule as it is kept.
func Read(s storage.Setting) (Rule, error) {
	r := Rule{CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt}
	if err := json.Unmarshal([]byte(s.Document), &r); err != nil {
		return r, fmt.Errorf("read the pull-through cache rule %s: %w", s.Key, err)
	}
	return r, nil
}

// Document is a rule as it is kept.
func (r Rule) Document() (string, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("write the pull-through cache rule %s: %w", r.Prefix, err)
	}
	return string(b), nil
}

// upstreamName is what the upstream calls a repository that the rule is for.
func (r Rule) upstreamName(repository string) string {
	name := repository
	if r.Prefix != Root {
		name = strings.TrimPrefix(name, strings.TrimSuffix(r.Prefix, "/")+"/")
	}
	if r.UpstreamPrefix != "" && r.UpstreamPrefix != Root {
		name = strings.TrimSuffix(r.UpstreamPrefix, "/") + "/" + name
	}
	return name
}

// hosts are the upstreams that ECR knows, by their names. One that begins with a dot
// is any host below it.
var hosts = map[string]string{
	"ecr-public": "public.ecr.aws", "quay": "quay.io", "k8s": "registry.k8s.io", "docker-hub": "registry-1.docker.io",
	"github-container-registry": "ghcr.io", "azure-container-registry": ".azurecr.io", "gitlab-container-registry": "registry.gitlab.com",
	"chainguard": "cgr.dev", "ecr": ".amazonaws.com",
}

// NameOf is the name by which ECR knows an upstream, or "".
func NameOf(host string) string {
	for name, h := range hosts {
		if host == h || strings.HasPrefix(h, ".") && strings.HasSuffix(host, h) {
			return name
		}
	}
	return ""
}

// ParseURL reads the address of an upstream: a host, or a URL of a host and no path.
// A host of this machine is plain http, as docker takes it; nothing else may be.
// Errors say what is wrong.
func ParseURL(given string) (*url.URL, error) {
	text := given
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err == nil && text != given && loopback(u.Hostname()) {
		u.Scheme = "http"
	}
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("%q is not the address of a registry, such as registry-1.docker.io", given)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%q is neither https nor http", given)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%q is plain http, which is for registries on this machine only: use https", given)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, fmt.Errorf("%q has more than a host: what begins the names of its repositories is upstreamRepositoryPrefix, and credentials are a secret", given)
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ErrNone is returned where there is no rule for a repository.
var ErrNone = errors.New("there is no pull-through cache rule for the repository")

// find finds the rule for a repository, the one with the longest prefix. Errors:
// ErrNone.
func (c *Cache) find(ctx context.Context, ref storage.Ref) (Rule, error) {
	if registryhost.Reserved(ref.Name) {
		return Rule{}, ErrNone
	}
	for _, prefix := range prefixes(ref.Name) {
		s, err := c.o.Engine.Setting(ctx, Key(ref.Scope, prefix))
		var unknown *storage.SettingUnknownError
		if errors.As(err, &unknown) {
			continue
		}
		if err != nil {
			return Rule{}, err
		}
		return Read(s)
	}
	return Rule{}, ErrNone
}

// prefixes are those of a name, the longest first, and Root.
func prefixes(name string) []string {
	var all []string
	for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
		all = append(all, name[:i])
	}
	return append(all, Root)
}
