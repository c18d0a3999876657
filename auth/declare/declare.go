// Package declare sets identities up from a file: accounts, users, groups, roles,
// policies and access keys that a lab wants to be there at each start, and the
// issuers whose tokens it believes. Read takes the file in and checks all that can
// be checked without the records; Plan compares it with the records and checks the
// rest; only then Apply writes what is missing or different, so that a file with a
// mistake changes nothing, and a file that is applied twice changes nothing the
// second time.
//
// What is declared is made so. What is not declared is left alone, but for the
// lists policies, inline and groups of something declared: where one is given, it
// is complete. docs/iam.md is the page on the file.
//
// The package knows the records (auth/identity), policy documents (auth/policy)
// and the description of issuers (auth/oidc); nothing of the wire.
package declare

import (
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"drydock/auth/oidc"
)

// Options is what the reading of a file needs to know.
type Options struct {
	// Account is the account of what names none.
	Account string
	// LookupEnv finds a variable of the environment, as os.LookupEnv does.
	LookupEnv func(name string) (value string, ok bool)
}

// Declaration is what a file declares, read and checked by itself.
type Declaration struct {
	accounts  []account
	policies  []managedPolicy
	groups    []group
	users     []user
	roles     []role
	providers []provider
}

// Read reads a file of YAML or JSON and all files that it names. The error is one
// sentence that names the file, the line and the entity.
func Read(path string, o Options) (*Declaration, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the declared identities, check --iam: %w", err)
	}
	r := &reader{file: path, folder: filepath.Dir(path), account: o.Account, lookupEnv: o.LookupEnv}
	d := r.declaration(text)
	if r.err != nil {
		return nil, r.err
	}
	return d, nil
}

// Issuers are the issuers whose tokens are to be believed.
func (d *Declaration) Issuers() []oidc.Issuer {
	var list []oidc.Issuer
	for _, p := range d.providers {
		list = append(list, p.Issuer)
	}
	return list
}

func (r *reader) declaration(text []byte) *Declaration {
	d := new(Declaration)
	top := r.parse(text)
	if top == nil {
		return d
	}
	e := r.entry(place{file: r.file, line: top.Line}, top, "accounts", "policies", "groups", "users", "roles", "oidc_providers")
	each(e, "accounts", &d.accounts, r.readAccount)
	each(e, "policies", &d.policies, r.readPolicy)
	each(e, "groups", &d.groups, r.readGroup)
	each(e, "users", &d.users, r.readUser)
	each(e, "roles", &d.roles, r.readRole)
	each(e, "oidc_providers", &d.providers, r.readProvider)
	if r.err == nil {
		r.err = d.twice()
	}
	return d
}

// each reads the entries of a list.
func each[T any](e *entry, key string, into *[]T, read func(*yaml.Node) T) {
	list, _ := e.list(key)
	for _, n := range list {
		*into = append(*into, read(n))
	}
}

// twice refuses what is declared twice; IAM does not distinguish names by case.
func (d *Declaration) twice() error {
	s := seen{}
	for _, a := range d.accounts {
		s.add(a.place, "account", a.id)
		s.keys(a.keys)
	}
	for _, p := range d.policies {
		s.record(p.record)
	}
	for _, g := range d.groups {
		s.record(g.record)
	}
	for _, u := range d.users {
		s.record(u.record)
		s.keys(u.keys)
	}
	for _, r := range d.roles {
		s.record(r.record)
	}
	for _, p := range d.providers {
		s.add(p.place, "issuer", p.URL)
	}
	return s.err
}
