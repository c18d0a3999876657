package declare

import (
	"context"
	"fmt"
	"os"
	"strings"

	"drydock/auth/identity"
)

// accessKey is a declared key of a user or of an account's root.
type accessKey struct {
	place
	id, secret string
	active     *bool
}

// ownPrefix begins the names of the variables that are settings of the server,
// which refuses those of them that it does not know.
const ownPrefix = "DRYDOCK_"

// accessKeys reads the keys of an entry.
func (e *entry) accessKeys() (keys []accessKey) {
	list, _ := e.list("access_keys")
	for _, n := range list {
		k := e.r.entry(e.on(n.Line), n, "id", "secret_file", "secret_env", "plain_secret", "active")
		key := accessKey{place: k.place}
		if key.id, _ = k.text("id"); key.id == "" {
			k.failf("id", "an access key has an id")
			continue
		}
		key.entity += ", access key " + key.id
		k.place = key.place
		key.secret = k.secret()
		// Whatever is wrong with the secret has been said before.
		if err := identity.CheckAccessKey(key.id, key.secret); err != nil {
			k.failf("id", "%w", err)
		}
		if text, given := k.text("active"); given {
			active := text == "true"
			if key.active = &active; !active && text != "false" {
				k.failf("active", "active is true or false, not %q", text)
			}
		}
		keys = append(keys, key)
	}
	if len(keys) > identity.AccessKeysPerUser {
		e.failf("access_keys", "there are %d access keys, and IAM gives %d", len(keys), identity.AccessKeysPerUser)
	}
	return keys
}

// secret finds the secret of a key where the entry says that it is.
func (e *entry) secret() (secret string) {
	var ways []string
	for _, way := range []string{"secret_file", "secret_env", "plain_secret"} {
		if e.has(way) {
			ways = append(ways, way)
		}
	}
	if len(ways) != 1 {
		why := "it says in more than one way what its secret is"
		if len(ways) == 0 {
			why = "it does not say where its secret is"
		}
		e.r.failed(e.errorf("%s: give secret_file, the name of a file that holds it, or secret_env, the name of a variable of the environment (or plain_secret, to have it in this file after all)", why))
		return ""
	}
	value, _ := e.text(ways[0])
	from := ""
	switch ways[0] {
	case "secret_file":
		text, err := os.ReadFile(e.r.path(value))
		if err != nil {
			e.failf("secret_file", "reading the secret: %w", err)
			return ""
		}
		secret, from = strings.TrimRight(string(text), "\r\n"), fmt.Sprintf("the file %s", value)
	case "secret_env":
		if strings.HasPrefix(value, ownPrefix) {
			e.failf("secret_env", "variables that begin with %s are settings of the server: choose another name than %s", ownPrefix, value)
		}
		secret, _ = e.r.lookupEnv(value)
		from = fmt.Sprintf("the variable %s", value)
	default:
		secret, from = value, "plain_secret"
	}
	switch {
	case secret == "":
		e.failf(ways[0], "%s is not set or empty, and the secret of the key was to be there", from)
	case strings.ContainsFunc(secret, func(c rune) bool { return c <= ' ' || c > '~' }):
		e.failf(ways[0], "%s holds more than a secret, which has neither spaces nor line ends within it", from)
	}
	return secret
}

// keys gives a user, or the root of an account for an empty name, the declared
// keys; others stay.
func (p *planner) keys(ctx context.Context, at place, account, user string, exists bool, keys []accessKey) error {
	if len(keys) == 0 {
		return nil
	}
	var current []identity.AccessKey
	if exists {
		var err error
		if current, err = all(func(page identity.Page) ([]identity.AccessKey, string, error) {
			return p.store.AccessKeys(ctx, account, user, page)
		}); err != nil {
			return at.errorf("%w", err)
		}
	}
	there := map[string]identity.AccessKey{}
	for _, k := range current {
		there[k.ID] = k
	}
	made := 0
	for _, k := range keys {
		has, ok := there[k.id]
		var err error
		if ok {
			err = p.changeKey(ctx, k, account, user, has)
		} else {
			made++
			err = p.makeKey(ctx, k, account, user)
		}
		if err != nil {
			return err
		}
	}
	if made > 0 && len(current)+made > identity.AccessKeysPerUser {
		return at.errorf("with the access keys that are there (%s) there would be %d, and IAM gives %d: delete one first",
			ids(current), len(current)+made, identity.AccessKeysPerUser)
	}
	return nil
}

func ids(keys []identity.AccessKey) string {
	var list []string
	for _, k := range keys {
		list = append(list, k.ID)
	}
	return strings.Join(list, ", ")
}

func (p *planner) makeKey(ctx context.Context, k accessKey, account, user string) error {
	owner, err := p.store.AccountOf(ctx, k.id)
	switch {
	case err == nil:
		return k.errorf("there is such a key already, which is somebody else's in account %s", owner)
	case !missing(err):
		return k.errorf("%w", err)
	}
	p.step(k.place, "import it", func(ctx context.Context) error {
		_, err := p.store.ImportAccessKey(ctx, account, user, k.id, k.secret)
		return err
	})
	if k.active != nil && !*k.active {
		p.activate(k, account, user)
	}
	return nil
}

func (p *planner) changeKey(ctx context.Context, k accessKey, account, user string, there identity.AccessKey) error {
	fits, err := p.store.HasSecret(ctx, account, user, k.id, k.secret)
	if err != nil {
		return k.errorf("%w", err)
	}
	if !fits {
		p.step(k.place, "replace its secret, and make void the passwords fetched with the old one", func(ctx context.Context) error {
			return p.store.ReplaceSecret(ctx, account, user, k.id, k.secret)
		})
	}
	if k.active != nil && *k.active != there.Active {
		p.activate(k, account, user)
	}
	return nil
}

func (p *planner) activate(k accessKey, account, user string) {
	what := "switch it off"
	if *k.active {
		what = "switch it on"
	}
	p.step(k.place, what, func(ctx context.Context) error {
		return p.store.SetAccessKeyActive(ctx, account, user, k.id, *k.active)
	})
}
