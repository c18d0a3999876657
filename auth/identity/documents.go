package identity

import (
	"sync"

	"drydock/auth/policy"
)

// maxDocuments bounds how many compiled documents are kept.
const maxDocuments = 4096

// documents keeps compiled policy documents by their text, so that a change to
// one identity of an account does not have all others' policies compiled again.
// A text says the same for ever: nothing here goes out of date.
type documents struct {
	mu   sync.RWMutex
	kept map[string]*policy.Document
}

// identity compiles an identity policy. Errors: *policy.SyntaxError.
func (d *documents) identity(text string) (*policy.Document, error) {
	return d.compile(text, policy.Identity)
}

// trust compiles a role's trust policy. Errors: *policy.SyntaxError.
func (d *documents) trust(text string) (*policy.Document, error) {
	return d.compile(text, policy.Trust)
}

func (d *documents) compile(text string, use policy.Use) (*policy.Document, error) {
	d.mu.RLock()
	compiled := d.kept[text]
	d.mu.RUnlock()
	// What is read as one kind of policy may be no policy of the other kind.
	if compiled != nil && compiled.Use == use {
		return compiled, nil
	}
	compiled, err := policy.Parse([]byte(text), use)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept == nil || len(d.kept) >= maxDocuments {
		d.kept = map[string]*policy.Document{}
	}
	d.kept[text] = compiled
	return compiled, nil
}
