package oidc

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// stale is after how long keys are read again, so that one that the issuer
	// has given up is not believed for ever, and dead after how long they are
	// not believed any more though they cannot be read again.
	stale = time.Hour
	dead  = 24 * time.Hour
	// patience is how long keys are left in peace after they were read, whatever
	// unknown key a token names, and retry after they could not be.
	patience = time.Minute
	retry    = 10 * time.Second

	fetchTime = 10 * time.Second
	maxJWKS   = 1 << 20
)

// keySet is the keys of an issuer, read when they are needed.
type keySet struct {
	source string
	client *http.Client
	now    func() time.Time

	mu   sync.RWMutex
	keys []key
	read time.Time // when keys was read

	// reading lets one read at a time; what follows is its own.
	reading sync.Mutex
	next    time.Time // not before it are they read again
	failure error     // of the last reading
}

// key is a key that tokens may be signed with.
type key struct {
	id string
	// algorithm is the only one that the key is for, or empty.
	algorithm string
	public    crypto.PublicKey
}

// newKeySet makes a set of the keys at a file or URL. A file has to be readable
// at once; a URL is asked when the first token comes.
func newKeySet(source string, client *http.Client, now func() time.Time) (*keySet, error) {
	s := &keySet{source: source, client: client, now: now}
	if s.isURL() {
		return s, nil
	}
	return s, s.refresh(context.Background())
}

func (s *keySet) isURL() bool {
	return strings.HasPrefix(s.source, "https://") || strings.HasPrefix(s.source, "http://")
}

// find returns the key of an id for an algorithm; no id will do where a single
// key fits. Errors: *Error of the kinds Invalid and Unreachable.
func (s *keySet) find(ctx context.Context, id, algorithm string) (crypto.PublicKey, error) {
	found, age := s.known(id, algorithm)
	if found != nil && age < stale {
		return found, nil
	}
	err := s.readAgain(ctx)
	if found, age = s.known(id, algorithm); found != nil && age < dead {
		return found, nil
	}
	if err != nil {
		return nil, &Error{Unreachable, "The keys of the identity provider cannot be had at the moment", err}
	}
	return nil, errNoKey
}

// known looks among the keys that have been read, and tells how long ago that
// was.
func (s *keySet) known(id, algorithm string) (found crypto.PublicKey, age time.Duration) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.keys {
		if id != "" && k.id != id || !k.fits(algorithm) {
			continue
		}
		if found != nil && id == "" {
			return nil, 0
		}
		if found = k.public; id != "" {
			break
		}
	}
	return found, s.now().Sub(s.read)
}

// readAgain reads the keys unless that was done a short while ago, and returns
// the error of the last time that it was done.
func (s *keySet) readAgain(ctx context.Context) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.now().Before(s.next) {
		return s.failure
	}
	// The client who happened to be the first may leave: the keys are for all.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
	defer cancel()
	s.failure = s.refresh(ctx)
	s.next = s.now().Add(patience)
	if s.failure != nil {
		s.next = s.now().Add(retry)
	}
	return s.failure
}

func (s *keySet) refresh(ctx context.Context) error {
	text, err := s.fetch(ctx)
	if err != nil {
		return fmt.Errorf("read the keys at %s: %w", s.source, err)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return fmt.Errorf("read the keys at %s: %w", s.source, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.read = keys, s.now()
	return nil
}

func (s *keySet) fetch(ctx context.Context) ([]byte, error) {
	if !s.isURL() {
		return os.ReadFile(s.source)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.source, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxJWKS+1))
	if err == nil && len(text) > maxJWKS {
		err = errors.New("the answer is too long")
	}
	return text, err
}
