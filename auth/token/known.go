package token

import (
	"crypto/sha256"
	"sync"
)

// maxKnown bounds how many tokens are remembered.
const maxKnown = 4096

// known remembers what tokens with a good signature say. It holds their hashes
// and not the tokens, and tells nothing of whether their holders are still
// welcome.
type known struct {
	mu     sync.RWMutex
	claims map[[sha256.Size]byte]claims
}

func (k *known) find(token string) (claims, bool) {
	sum := sha256.Sum256([]byte(token))
	k.mu.RLock()
	defer k.mu.RUnlock()
	c, ok := k.claims[sum]
	return c, ok
}

// remember forgets all others when there are too many: they cost one
// verification each to come back.
func (k *known) remember(token string, c claims) {
	sum := sha256.Sum256([]byte(token))
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.claims == nil || len(k.claims) >= maxKnown {
		k.claims = map[[sha256.Size]byte]claims{}
	}
	k.claims[sum] = c
}
