package events

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"drydock/auth/seal"
	"drydock/storage"
)

// Kind is what webhooks are called among the settings of a registry.
const Kind = "webhook"

// Most is how many webhooks a registry can have.
const Most = 20

// Webhook is where events go.
type Webhook struct {
	ID  string `json:"id"`
	URL string `json:"url"`
	// Types are the types of events that it is told, all where there is none, and
	// Repositories patterns of the repositories, with * for any run of characters.
	Types        []string  `json:"types,omitempty"`
	Repositories []string  `json:"repositories,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
}

// hook is a webhook as it is kept.
type hook struct {
	URL          string   `json:"url"`
	Types        []string `json:"types,omitempty"`
	Repositories []string `json:"repositories,omitempty"`
	// Secret is sealed.
	Secret []byte `json:"secret"`
}

func read(s storage.Setting) (hook, error) {
	var h hook
	if err := json.Unmarshal([]byte(s.Document), &h); err != nil {
		return h, fmt.Errorf("read webhook %s: %w", s.Key, err)
	}
	return h, nil
}

func (h hook) wants(e Event, repository string) bool {
	if len(h.Types) > 0 && !slices.Contains(h.Types, e.DetailType) {
		return false
	}
	return len(h.Repositories) == 0 || slices.ContainsFunc(h.Repositories, func(p string) bool { return matches(p, repository) })
}

// matches reports whether a name fits a pattern in which * is any run of
// characters, slashes too.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	rest, found := strings.CutPrefix(name, parts[0])
	if !found {
		return false
	}
	last := len(parts) - 1
	for _, p := range parts[1:last] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[last])
}

// Options is what Webhooks are made of. All is needed.
type Options struct {
	Engine *storage.Registry
	Box    *seal.Box
	Now    func() time.Time
	Random io.Reader
}

// Webhooks are those of all registries.
type Webhooks struct {
	o Options
}

// New makes webhooks.
func New(o Options) (*Webhooks, error) {
	if o.Engine == nil || o.Box == nil || o.Now == nil || o.Random == nil {
		return nil, errors.New("webhooks need an engine, a box, a clock and randomness")
	}
	return &Webhooks{o}, nil
}

// ErrUnknown is returned for a webhook that a registry does not have.
var ErrUnknown = errors.New("there is no such webhook")

// Add gives a registry a webhook and returns it with the secret that signs what it
// is sent, which is not told again. Errors say what is wrong with what was asked.
func (w *Webhooks) Add(ctx context.Context, of storage.Scope, h Webhook) (Webhook, string, error) {
	if err := check(h); err != nil {
		return Webhook{}, "", err
	}
	there, err := w.List(ctx, of)
	if err != nil {
		return Webhook{}, "", err
	}
	if len(there) >= Most {
		return Webhook{}, "", fmt.Errorf("account %s has %d webhooks in %s, and can have no more", of.Account, len(there), of.Region)
	}
	key := make([]byte, 32)
	if _, err := io.ReadFull(w.o.Random, key); err != nil {
		return Webhook{}, "", fmt.Errorf("make a secret: %w", err)
	}
	id, err := uuid.NewRandomFromReader(w.o.Random)
	if err != nil {
		return Webhook{}, "", fmt.Errorf("make an id: %w", err)
	}
	h.ID = id.String()
	sealed, err := w.o.Box.Seal(key, place(of, h.ID))
	if err != nil {
		return Webhook{}, "", fmt.Errorf("seal a secret: %w", err)
	}
	document, err := json.Marshal(hook{URL: h.URL, Types: h.Types, Repositories: h.Repositories, Secret: sealed})
	if err != nil {
		return Webhook{}, "", fmt.Errorf("write a webhook: %w", err)
	}
	s, err := w.o.Engine.CreateSetting(ctx, setting(of, h.ID), string(document))
	if err != nil {
		return Webhook{}, "", err
	}
	h.CreatedAt = s.CreatedAt
	return h, secretPrefix + base64.StdEncoding.EncodeToString(key), nil
}

// secretPrefix stands before secrets, as the standard has it.
const secretPrefix = "whsec_"

// List lists the webhooks of a registry.
func (w *Webhooks) List(ctx context.Context, of storage.Scope) ([]Webhook, error) {
	rows, err := w.o.Engine.Settings(ctx, of, Kind, storage.SettingKey{}, Most)
	if err != nil {
		return nil, err
	}
	list := []Webhook{}
	for _, s := range rows {
		h, err := read(s)
		if err != nil {
			return nil, err
		}
		list = append(list, Webhook{ID: s.Key, URL: h.URL, Types: h.Types, Repositories: h.Repositories, CreatedAt: s.CreatedAt})
	}
	return list, nil
}

// Remove takes a webhook from a registry; what waits to be sent to it is not.
// Errors: ErrUnknown.
func (w *Webhooks) Remove(ctx context.Context, of storage.Scope, id string) error {
	_, err := w.o.Engine.DeleteSetting(ctx, setting(of, id))
	var unknown *storage.SettingUnknownError
	if errors.As(err, &unknown) {
		return ErrUnknown
	}
	return err
}

func setting(of storage.Scope, id string) storage.SettingKey {
	return storage.SettingKey{Ref: storage.Ref{Scope: of}, Kind: Kind, Key: id}
}

// place is where a secret belongs, for its seal.
func place(of storage.Scope, id string) string {
	return path.Join("webhook", of.Account, of.Region, id)
}

// check refuses what could not be delivered, and what would send events over a
// network in the clear.
func check(h Webhook) error {
	u, err := url.Parse(h.URL)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not an address: %w", h.URL, err)
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%q is not an address such as https://example.com/hook", h.URL)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("%s would send events in the clear: use https, or an address of this machine", h.URL)
	case u.User != nil || u.Fragment != "":
		return fmt.Errorf("%s has a user or a fragment, which are not sent", u.Redacted())
	}
	for _, t := range h.Types {
		if !slices.Contains(DetailTypes(), t) {
			return fmt.Errorf("%q is not a type of events: those are %s", t, strings.Join(DetailTypes(), ", "))
		}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
