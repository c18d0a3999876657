package keyring

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"drydock/auth/token"
)

func TestAKeySignsForThirtyDaysAndVerifiesAsLongAsWhatItSigned(t *testing.T) {
	d := newRecords(t)
	r := d.server(t, 0)
	first, began := signing(t, r), d.now
	at := func(after time.Duration) {
		d.now = began.Add(after)
		maintain(t, r)
	}
	at(term - notice - time.Second)
	if keys := *r.keys.Load(); len(keys) != 1 {
		t.Errorf("%d keys before it is time", len(keys))
	}
	at(term - notice)
	if keys := *r.keys.Load(); len(keys) != 2 || signing(t, r).ID != first.ID {
		t.Errorf("%d keys when the next is published, and %s signs", len(keys), signing(t, r).ID)
	}
	at(term - time.Second)
	if signing(t, r).ID != first.ID {
		t.Error("the next signs before its time")
	}
	d.now = began.Add(term) // nobody has to look after it for this
	second := signing(t, r)
	if second.ID == first.ID || !verifies(t, r, first) || !verifies(t, r, second) {
		t.Errorf("after its time %s signs, and one does not verify", second.ID)
	}
	at(term + token.Lifetime + margin - time.Second)
	if !verifies(t, r, first) {
		t.Error("what it signed last is not understood")
	}
	d.now = began.Add(term + token.Lifetime + margin)
	if verifies(t, r, first) {
		t.Error("verifies for ever")
	}
	maintain(t, r)
	if keys := *r.keys.Load(); len(keys) != 1 || keys[0].ID != second.ID {
		t.Errorf("%d keys are kept", len(keys))
	}
}

func TestAServerThatWasOffForLongGoesOnWithItsKeyUntilTheNextIsKnown(t *testing.T) {
	d := newRecords(t)
	first := signing(t, d.server(t, 0))
	d.now = d.now.Add(100 * 24 * time.Hour)
	r := d.server(t, 0)
	if signing(t, r).ID != first.ID {
		t.Error("another key without notice")
	}
	d.now = d.now.Add(notice)
	if signing(t, r).ID == first.ID || !verifies(t, r, first) {
		t.Error("the old key still signs, or verifies no more")
	}
}

func TestRotatingTakesEffectAtOnceAndLogsNobodyOut(t *testing.T) {
	d := newRecords(t)
	r := d.server(t, 0)
	var made []token.Key
	for range 5 { // all in the same moment
		made = append(made, signing(t, r))
		rotate(t, r)
	}
	made = append(made, signing(t, r))
	seen := map[string]bool{}
	for _, k := range made {
		if !verifies(t, r, k) {
			t.Errorf("%s does not verify", k.ID)
		}
		seen[k.ID] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d keys after five rotations", len(seen))
	}
	d.now = d.now.Add(token.Lifetime)
	maintain(t, r)
	if !verifies(t, r, made[0]) {
		t.Error("the first one's passwords ended before their time")
	}
	d.now = d.now.Add(margin)
	maintain(t, r)
	if keys := *r.keys.Load(); len(keys) != 1 || keys[0].ID != made[5].ID {
		t.Errorf("%d keys are kept", len(keys))
	}
}

func TestRotatingOvertakesAKeyThatIsPublishedAlready(t *testing.T) {
	d := newRecords(t)
	r := d.server(t, 0)
	ahead := d.server(t, 15*time.Minute) // its clock is
	d.now = d.now.Add(term - notice)
	maintain(t, r, ahead)
	early := signing(t, ahead)
	rotate(t, r)
	made := signing(t, r)
	if made.ID == early.ID {
		t.Fatal("it was not overtaken before its time")
	}
	d.now = d.now.Add(2 * notice)
	maintain(t, r, ahead)
	if signing(t, r).ID != made.ID || signing(t, ahead).ID != made.ID {
		t.Error("the key that was overtaken signs after all")
	}
	if !verifies(t, r, early) {
		t.Error("what a server with a clock ahead has signed is not understood")
	}
}

func TestAClockThatWasWrongDoesNotStopTheKeys(t *testing.T) {
	d := newRecords(t)
	right := d.now
	d.now = right.AddDate(4, 0, 0)
	wrong := signing(t, d.server(t, 0))
	d.now = right
	r := d.server(t, 0)
	if k := signing(t, r); k.ID == wrong.ID || !verifies(t, r, wrong) {
		t.Error("the key of another time signs, or is not understood at all")
	}
	d.now = d.now.Add(token.Lifetime + margin)
	maintain(t, r)
	if keys := *r.keys.Load(); len(keys) != 1 {
		t.Errorf("%d keys are kept", len(keys))
	}
	// Set back a little, there is nobody else to sign.
	d = newRecords(t)
	r = d.server(t, 0)
	d.now = d.now.Add(-time.Hour)
	if maintain(t, r); signing(t, r).ID == "" || len(*r.keys.Load()) != 1 {
		t.Error("nobody signs in the hour that comes twice")
	}
}

// TestWhateverWasSignedIsUnderstoodEverywhere is the law of it: three servers,
// whose clocks differ and who look after the keys when they come to it, sign for
// half a year and are told to rotate now and then. Each understands what any of
// them has signed, for as long as a password lives.
func TestWhateverWasSignedIsUnderstoodEverywhere(t *testing.T) {
	type signed struct {
		key token.Key
		at  time.Time
	}
	for seed := range uint64(4) {
		random := rand.New(rand.NewPCG(seed, 2))
		d := newRecords(t)
		servers := []*Ring{d.server(t, 0), d.server(t, 5*time.Minute), d.server(t, -5*time.Minute)}
		var live []signed
		most, keys := 0, map[string]bool{}
		for end := d.now.Add(180 * 24 * time.Hour); d.now.Before(end); {
			step := time.Duration(random.Int64N(int64(4 * time.Hour)))
			if random.IntN(4) == 0 {
				step = time.Duration(random.Int64N(int64(2 * time.Minute)))
			}
			d.now = d.now.Add(step)
			for _, r := range servers {
				// Who comes late has its minute's work done by then.
				if step > chores || random.IntN(2) == 0 {
					maintain(t, r)
				}
			}
			if random.IntN(200) == 0 {
				rotate(t, servers[random.IntN(3)])
				d.now = d.now.Add(patience)
			}
			for _, r := range servers {
				k := signing(t, r)
				keys[k.ID] = true
				live = append(live, signed{k, d.now})
				most = max(most, len(*r.keys.Load()))
			}
			kept := live[:0]
			for _, s := range live {
				if d.now.Sub(s.at) < token.Lifetime {
					kept = append(kept, s)
				}
			}
			live = kept
			for _, s := range live {
				for i, r := range servers {
					if !verifies(t, r, s.key) {
						t.Fatalf("seed %d: server %d does not know key %s, which signed %v ago", seed, i, s.key.ID, d.now.Sub(s.at))
					}
				}
			}
		}
		if len(keys) < 6 || most > 8 {
			t.Errorf("seed %d: %d keys signed, up to %d were kept", seed, len(keys), most)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	r := newRecords(t).server(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
