package meta_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

// TestAScopeIsChargedExactlyWhatItsQuotaLets drives random histories of charges, over
// few and many shards, while quotas come, change and go. Each charge has to be taken
// if and only if the sum stays within the quota of that moment.
func TestAScopeIsChargedExactlyWhatItsQuotaLets(t *testing.T) {
	db := testdb.New(t).Open(t)
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			scope, shards := fmt.Sprintf("1234567890/r/%d", seed), 1+rnd.Int64N(6)
			usual := []meta.Amount{{}, {Bytes: 300}, {Images: 9}, {Bytes: 200, Images: 20}}[seed%4]
			var used meta.Amount
			var own *meta.Amount
			for step := range 250 {
				limit := usual
				if own != nil {
					limit = *own
				}
				var what string
				var wrong error
				err := db.Write(t.Context(), meta.Relaxed, func(q meta.Querier) error {
					wrong = nil
					shard := meta.Shard{Number: rnd.Int64N(shards), Of: shards}
					switch n := rnd.IntN(100); {
					case n < 6:
						what = "no quota"
						if _, err := meta.DeleteQuota(t.Context(), q, scope); err != nil {
							return err
						}
						own = nil
					case n < 14:
						// Few values, so that the same quota comes again.
						a := meta.Amount{Bytes: rnd.Int64N(3) * 150, Images: rnd.Int64N(2) * 12}
						what = fmt.Sprintf("quota %+v", a)
						if err := meta.SetQuota(t.Context(), q, scope, a); err != nil {
							return err
						}
						own = &a
					case n < 45:
						less := meta.Amount{Bytes: rnd.Int64N(used.Bytes/4 + 1), Images: rnd.Int64N(used.Images/4 + 1)}
						what = fmt.Sprintf("less %+v by %d", less, shard.Number)
						if err := meta.Discharge(t.Context(), q, scope, shard, less); err != nil {
							return err
						}
						used = meta.Amount{Bytes: used.Bytes - less.Bytes, Images: used.Images - less.Images}
					default:
						more := meta.Amount{Bytes: rnd.Int64N(2) * rnd.Int64N(40), Images: rnd.Int64N(2)}
						what = fmt.Sprintf("more %+v by %d", more, shard.Number)
						fits := (more.Bytes == 0 || limit.Bytes == 0 || used.Bytes+more.Bytes <= limit.Bytes) &&
							(more.Images == 0 || limit.Images == 0 || used.Images+more.Images <= limit.Images)
						refusal, err := meta.Charge(t.Context(), q, shard, more, meta.Payer{Scope: "1234567890"}, meta.Payer{Scope: scope, Usual: usual})
						if err != nil {
							return err
						}
						if fits != (refusal == nil) {
							wrong = fmt.Errorf("with %+v of %+v: %+v", used, limit, refusal)
						}
						if refusal == nil {
							used = meta.Amount{Bytes: used.Bytes + more.Bytes, Images: used.Images + more.Images}
						} else if refusal.Used != used || refusal.Limit != limit || refusal.More != more {
							wrong = fmt.Errorf("with %+v of %+v it is refused as %+v", used, limit, refusal)
						}
					}
					return nil
				})
				if err = errors.Join(err, wrong); err != nil {
					t.Fatalf("step %d, %s: %v", step, what, err)
				}
				if got, err := meta.UsageOf(t.Context(), db.Reader(), scope); err != nil || got != used {
					t.Fatalf("after step %d, %s: %+v, %v; want %+v", step, what, got, err, used)
				}
			}
		})
	}
}

// TestAQuotaThatComesAgainFindsWhatWasAddedMeanwhile is about shares of a quota that
// was lifted for a while.
func TestAQuotaThatComesAgainFindsWhatWasAddedMeanwhile(t *testing.T) {
	db := testdb.New(t).Open(t)
	for step, c := range []struct {
		number, more int64
		limit        int64
		fits         bool
	}{
		{0, 10, 100, true}, {1, 10, 100, true}, {0, 500, 0, true}, {1, 10, 100, false}, {2, 1, 100, false},
		{0, -480, 100, true}, {1, 60, 100, true}, {0, 1, 100, false}, {0, 400, 500, true}, {1, 1, 100, false}, {1, 1, 500, false},
	} {
		shard, more := meta.Shard{Number: c.number, Of: 3}, meta.Amount{Bytes: c.more}
		var refusal *meta.Refusal
		err := db.Write(t.Context(), meta.Relaxed, func(q meta.Querier) (err error) {
			if c.more < 0 {
				return meta.Discharge(t.Context(), q, "1234567890", shard, meta.Amount{Bytes: -c.more})
			}
			refusal, err = meta.Charge(t.Context(), q, shard, more, meta.Payer{Scope: "1234567890", Usual: meta.Amount{Bytes: c.limit}}, meta.Payer{Scope: "1234567890/r/n"})
			return err
		})
		if err != nil || (refusal == nil) != c.fits {
			t.Errorf("step %d: %+v, %v", step, refusal, err)
		}
	}
}

// TestWhoChargesAtOnceStaysWithinTheQuotaTogether has many fill one scope, and others
// make room again.
func TestWhoChargesAtOnceStaysWithinTheQuotaTogether(t *testing.T) {
	const clients, rounds, shards = 8, 40, 5
	limit := meta.Amount{Bytes: 5000, Images: 60}
	db := testdb.New(t).Open(t)
	const scope = "1234567890"
	var mu sync.Mutex
	var charged meta.Amount
	var refusals int
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(7, uint64(client)))
			for range rounds {
				more := meta.Amount{Bytes: 1 + rnd.Int64N(100), Images: 1}
				var refusal *meta.Refusal
				err := db.Write(context.Background(), meta.Relaxed, func(q meta.Querier) (err error) {
					refusal, err = meta.Charge(context.Background(), q, meta.Shard{Number: rnd.Int64N(shards), Of: shards}, more, meta.Payer{Scope: scope, Usual: limit},
						meta.Payer{Scope: fmt.Sprintf("%s/r/%d", scope, client)})
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if refusal == nil {
					charged = meta.Amount{Bytes: charged.Bytes + more.Bytes, Images: charged.Images + more.Images}
				} else {
					refusals++
				}
				mu.Unlock()
				if refusal == nil {
					continue
				}
				if refusal.Used.Bytes+more.Bytes <= limit.Bytes && refusal.Used.Images+1 <= limit.Images {
					t.Errorf("refused though it fits: %+v", refusal)
				}
				if rnd.IntN(2) == 0 {
					err := db.Write(context.Background(), meta.Relaxed, func(q meta.Querier) error {
						return meta.Discharge(context.Background(), q, scope, meta.Shard{Number: rnd.Int64N(shards), Of: shards}, meta.Amount{Bytes: 20, Images: 1})
					})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					charged = meta.Amount{Bytes: charged.Bytes - 20, Images: charged.Images - 1}
					mu.Unlock()
				}
			}
		})
	}
	over := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			got, err := meta.UsageOf(context.Background(), db.Reader(), scope)
			if err != nil || got.Bytes > limit.Bytes || got.Images > limit.Images {
				t.Errorf("meanwhile it holds %+v of %+v, %v", got, limit, err)
			}
			select {
			case <-over:
				return
			default:
			}
		}
	}()
	wg.Wait()
	close(over)
	<-done
	got, err := meta.UsageOf(t.Context(), db.Reader(), scope)
	if err != nil || got != charged {
		t.Errorf("at the end it holds %+v, %v; it was charged for %+v", got, err, charged)
	}
	if refusals == 0 {
		t.Error("the quota was never reached")
	}
}

func TestAccountsAreFoundOneAfterTheOther(t *testing.T) {
	db := testdb.New(t).Open(t)
	accounts := []string{"1234567890", "12345678900", "123456789012", "2222333344"}
	err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		for _, a := range accounts {
			for _, scope := range []string{a + "/eu-west-1/a", a + "/eu-west-1/b", a + "/us-east-1/a/b"} {
				if err := meta.Discharge(t.Context(), q, scope, meta.Shard{Number: 3, Of: 4}, meta.Amount{Bytes: -5}); err != nil {
					return err
				}
			}
			if err := meta.SetQuota(t.Context(), q, a+"/eu-west-1/c", meta.Amount{Images: 1}); err != nil {
				return err
			}
		}
		return meta.SetQuota(t.Context(), q, "12345678900", meta.Amount{Bytes: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	after := ""
	for _, want := range accounts {
		got, err := meta.NextAccount(t.Context(), db.Reader(), after)
		if err != nil || got != want {
			t.Fatalf("after %q comes %q, %v; want %s", after, got, err, want)
		}
		after = got
		var names []string
		for at := ""; ; {
			page, err := meta.ScopesOf(t.Context(), db.Reader(), got, at, false, 3)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, s := range page {
				names, at = append(names, s.Scope), s.Scope
				if (s.Quota != nil) != (s.Scope == got+"/eu-west-1/c") || s.Quota == nil && s.Used.Bytes != 5 {
					t.Errorf("%+v", s)
				}
			}
		}
		if fmt.Sprint(names) != fmt.Sprint([]string{got + "/eu-west-1/a", got + "/eu-west-1/b", got + "/eu-west-1/c", got + "/us-east-1/a/b"}) {
			t.Errorf("%s has %v", got, names)
		}
		own, err := meta.ScopesOf(t.Context(), db.Reader(), got, "", true, 10)
		if err != nil || len(own) != 1 {
			t.Errorf("%s has quotas for %v, %v", got, own, err)
		}
	}
	if got, err := meta.NextAccount(t.Context(), db.Reader(), after); !errors.Is(err, meta.ErrNotFound) {
		t.Errorf("after the last comes %q, %v", got, err)
	}
}
