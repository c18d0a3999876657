package config

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// DB is the database of the records: the data folder's own when URL is empty, else
// one on a PostgreSQL server, which several servers may share.
type DB struct {
	// URL may hold a password.
	URL string
}

// Shared reports whether other servers may have the same database.
func (d DB) Shared() bool { return d.URL != "" }

// String is what may be shown of it: no password, and no parameter that might be one.
func (d DB) String() string {
	if d.URL == "" {
		return ownDB
	}
	u, err := url.Parse(d.URL)
	if err != nil {
		return "postgres://…"
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if name := u.User.Username(); name != "" {
		shown.User = url.User(name)
	}
	return shown.String()
}

// GoString is for %#v, which would show everything.
func (d DB) GoString() string { return d.String() }

const ownDB = "sqlite"

// secretParameters are those of a URL of a database that are passwords.
var secretParameters = []string{"password", "sslpassword"}

// parseDB reads the URL of a database. Errors show nothing that may be a password.
func parseDB(v string) (*url.URL, error) {
	const form = "postgres://USER:PASSWORD@HOST:PORT/NAME"
	if !strings.HasPrefix(v, "postgres://") && !strings.HasPrefix(v, "postgresql://") {
		shown := "it"
		if !strings.ContainsAny(v, ":@=/") { // else it may hold a password
			shown = strconv.Quote(v)
		}
		return nil, fmt.Errorf("%s is neither %s nor the URL of a PostgreSQL database, %s", shown, ownDB, form)
	}
	u, err := url.Parse(v)
	if err != nil {
		return nil, fmt.Errorf("it is not of the form %s, in which what is special in a URL is written as %%XX (a slash in a password as %%2F)", form)
	}
	return u, nil
}

// setDB takes "sqlite" or the URL of a PostgreSQL database.
func setDB(c *Config, v string) error {
	if v == ownDB {
		c.DB = DB{}
		return nil
	}
	if _, err := parseDB(v); err != nil {
		return err
	}
	c.DB = DB{URL: v}
	return nil
}

// publicDB refuses a password in an argument, which everybody on the machine can read.
func publicDB(v string) error {
	u, err := parseDB(v)
	if v == ownDB || err != nil {
		return nil // the setter says what is wrong
	}
	_, secret := u.User.Password()
	for _, name := range secretParameters {
		secret = secret || u.Query().Has(name)
	}
	if secret {
		return errors.New("a password does not belong into an argument, which lists of processes show: put the whole URL into DRYDOCK_DB or the file of --config, or leave the password out of it and have it in PGPASSWORD or a file that PGPASSFILE names")
	}
	return nil
}
