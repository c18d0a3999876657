package throttle

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	// lasts is how long a proof is worth something, and renewed how old it gets
	// before it is written down again.
	lasts   = time.Hour
	renewed = time.Minute
	// maxProofs is how many are remembered, a power of two.
	maxProofs = 4096
)

// proofs remembers which credentials proved good from which source. Each has one
// place where it may be, which it takes from another one if need be: then the
// other has to prove itself again. So there is nothing to wait for, and the
// memory is bounded; and only who has good credentials can write to it.
type proofs struct {
	seed   maphash.Seed
	places []atomic.Pointer[proof]
}

type proof struct {
	source     netip.Addr
	credential string
	at         time.Duration
}

func newProofs() proofs {
	return proofs{seed: maphash.MakeSeed(), places: make([]atomic.Pointer[proof], maxProofs)}
}

// Proved notes that a credential from a source was looked at and good. The
// credential is a name of it, such as the id of a key, and no secret.
func (t *Throttle) Proved(source netip.Addr, credential string) {
	source = network(source)
	place, now := t.proofs.place(source, credential), t.since()
	if p := place.Load(); p != nil && p.of(source, credential) && now-p.at < renewed {
		return
	}
	place.Store(&proof{source, credential, now})
}

// Trusts reports whether a credential proved good of late from a source, so that
// it is worth a look even while the source is held back.
func (t *Throttle) Trusts(source netip.Addr, credential string) bool {
	source = network(source)
	p := t.proofs.place(source, credential).Load()
	return p != nil && p.of(source, credential) && t.since()-p.at < lasts
}

func (p *proof) of(source netip.Addr, credential string) bool {
	return p.source == source && p.credential == credential
}

func (p *proofs) place(source netip.Addr, credential string) *atomic.Pointer[proof] {
	var h maphash.Hash
	h.SetSeed(p.seed)
	address := source.As16()
	_, _ = h.Write(address[:]) // neither returns an error
	_, _ = h.WriteString(credential)
	return &p.places[h.Sum64()%maxProofs]
}
