package token

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"drydock/auth"
)

var someone = auth.Principal{ARN: auth.RootARN("123456789012"), Account: "123456789012", UserID: "123456789012", AccessKeyID: "AKIA1"}

// ring is keys that stay as they are, the first of which signs.
type ring []Key

func (r ring) Signing() (Key, error) { return r[0], nil }

func (r ring) Verifying(_ context.Context, id string) (Key, error) {
	for _, k := range r {
		if k.ID == id {
			return k, nil
		}
	}
	return Key{}, ErrUnknownKey
}

func newIssuer(t testing.TB, keys Keys, now *time.Time, active ...auth.Credential) *Issuer {
	t.Helper()
	known, err := auth.NewStaticKeys(active...)
	if err != nil {
		t.Fatal(err)
	}
	return New(keys, known, func() time.Time { return *now }, rand.Reader)
}

func newKeys(t testing.TB) ring {
	t.Helper()
	k := Key{ID: rand.Text(), Secret: make([]byte, SecretSize)}
	if _, err := rand.Read(k.Secret); err != nil {
		t.Fatal(err)
	}
	return ring{k}
}

var credential = auth.Credential{AccessKeyID: "AKIA1", SecretAccessKey: "s", Principal: someone}

func TestAPasswordNamesItsHolderForTwelveHours(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	i := newIssuer(t, newKeys(t), &now, credential)
	password, expires, err := i.Password(context.Background(), someone, "123456789012", "eu-west-1")
	if err != nil || !expires.Equal(now.Add(12*time.Hour)) {
		t.Fatal(expires, err)
	}
	now = now.Add(12*time.Hour - time.Second)
	if p, err := i.Verify(context.Background(), password); err != nil || p != someone {
		t.Errorf("just before its end: %v, %v", p, err)
	}
	now = now.Add(time.Second)
	if _, err := i.Verify(context.Background(), password); !errors.Is(err, ErrExpired) {
		t.Errorf("at its end: %v", err)
	}
}

func TestAClockThatJumpsMakesNoPasswordForYears(t *testing.T) {
	right := time.Unix(1_800_000_000, 0)
	now := right
	i := newIssuer(t, newKeys(t), &now, credential)
	made := func() string {
		password, _, err := i.Password(t.Context(), someone, "123456789012", "eu-west-1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Verify(t.Context(), password); err != nil {
			t.Errorf("at once: %v", err)
		}
		return password
	}
	before := made()
	now = right.AddDate(10, 0, 0)
	if _, err := i.Verify(t.Context(), before); !errors.Is(err, ErrExpired) {
		t.Errorf("ten years later: %v", err)
	}
	ahead := made()
	now = right.Add(time.Minute)
	if _, err := i.Verify(t.Context(), before); err != nil {
		t.Errorf("once the clock is right again: %v", err)
	}
	for range 2 {
		if _, err := i.Verify(t.Context(), ahead); !errors.Is(err, ErrInvalid) {
			t.Errorf("the password of a clock that was wrong: %v", err)
		}
		i = newIssuer(t, i.keys, &now, credential) // which knows of no token yet
	}
	now = right.Add(-Skew)
	if _, err := i.Verify(t.Context(), before); err != nil {
		t.Errorf("at a server whose clock is behind: %v", err)
	}
}

func TestWhatWasNotMadeHereIsInvalid(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	keys := newKeys(t)
	i := newIssuer(t, keys, &now, credential)
	ctx := context.Background()
	good, _, err := i.Password(ctx, someone, "123456789012", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	layer, err := i.LayerToken(ctx, someone, "arn@sha256:0", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var c claims
	if _, _, err := jwt.NewParser().ParseUnverified(good, &c); err != nil {
		t.Fatal(err)
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodNone, c)
	unsigned.Header["kid"] = keys[0].ID
	none, err := unsigned.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	longer := jwt.NewWithClaims(jwt.SigningMethodHS512, c)
	longer.Header["kid"] = keys[0].ID
	other, err := longer.SignedString(keys[0].Secret)
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := newIssuer(t, newKeys(t), &now, credential).Password(ctx, someone, "1", "r")
	if err != nil {
		t.Fatal(err)
	}
	for name, password := range map[string]string{
		"nothing": "", "a word": "password", "alg none": none, "another algorithm under the right key": other,
		"no signature": good[:strings.LastIndex(good, ".")+1], "another server's": foreign, "a layer's token": layer,
	} {
		if _, err := i.Verify(ctx, password); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newIssuer(t, keys, &now).Verify(ctx, good); !errors.Is(err, ErrInvalid) {
		t.Errorf("after the access key has gone: %v", err)
	}
	if _, err := i.VerifyLayer(ctx, layer, "arn@sha256:1"); !errors.Is(err, ErrInvalid) {
		t.Errorf("the token of another layer: %v", err)
	}
	if _, err := i.VerifyLayer(ctx, good, ""); !errors.Is(err, ErrInvalid) {
		t.Errorf("a password for a layer: %v", err)
	}
	if p, err := i.VerifyLayer(ctx, layer, "arn@sha256:0"); err != nil || p != someone {
		t.Errorf("the right layer: %v, %v", p, err)
	}
}

func TestARevocationEndsWhatWasMadeBeforeIt(t *testing.T) {
	made := time.Unix(1_800_000_000, 900_000_000)
	for name, c := range map[string]struct {
		notBefore time.Time
		want      error
	}{
		"never revoked":          {time.Time{}, nil},
		"revoked before":         {made.Add(-time.Hour).Truncate(time.Second), nil},
		"revoked after":          {made.Add(time.Hour).Truncate(time.Second), ErrInvalid},
		"revoked in that second": {made.Truncate(time.Second).Add(time.Second), ErrInvalid},
		"made just afterwards":   {made.Truncate(time.Second), nil},
	} {
		t.Run(name, func(t *testing.T) {
			now, keys, ctx := made, newKeys(t), t.Context()
			before := newIssuer(t, keys, &now, credential)
			password, _, err := before.Password(ctx, someone, "123456789012", "eu-west-1")
			if err != nil {
				t.Fatal(err)
			}
			layer, err := before.LayerToken(ctx, someone, "arn@sha256:0", 2*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			revoked := credential
			revoked.TokensNotBefore = c.notBefore
			after := newIssuer(t, keys, &now, revoked)
			now = now.Add(time.Hour)
			for range 2 { // read, then remembered
				if _, err := after.Verify(ctx, password); !errors.Is(err, c.want) {
					t.Errorf("the password: %v, want %v", err, c.want)
				}
				if _, err := after.VerifyLayer(ctx, layer, "arn@sha256:0"); !errors.Is(err, c.want) {
					t.Errorf("a layer's token: %v, want %v", err, c.want)
				}
			}
		})
	}
}

func TestOlderKeysStillVerify(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	older := newKeys(t)
	password, _, err := newIssuer(t, older, &now, credential).Password(context.Background(), someone, "1", "r")
	if err != nil {
		t.Fatal(err)
	}
	both := append(newKeys(t), older...)
	if _, err := newIssuer(t, both, &now, credential).Verify(context.Background(), password); err != nil {
		t.Error(err)
	}
}

// broken are keys of which none can be had.
type broken struct{}

var errBroken = errors.New("no database")

func (broken) Signing() (Key, error)                          { return Key{}, errBroken }
func (broken) Verifying(context.Context, string) (Key, error) { return Key{}, errBroken }

func TestKeysThatCannotBeHadAreNotAWrongPassword(t *testing.T) {
	now, ctx := time.Unix(1_800_000_000, 0), t.Context()
	password, _, err := newIssuer(t, newKeys(t), &now, credential).Password(ctx, someone, "1", "r")
	if err != nil {
		t.Fatal(err)
	}
	i := newIssuer(t, broken{}, &now, credential)
	if _, err := i.Verify(ctx, password); !errors.Is(err, errBroken) || errors.Is(err, ErrInvalid) {
		t.Errorf("verifying: %v", err)
	}
	if _, err := i.Verify(ctx, "password"); !errors.Is(err, ErrInvalid) {
		t.Errorf("what needs no key to be wrong: %v", err)
	}
	if _, _, err := i.Password(ctx, someone, "1", "r"); !errors.Is(err, errBroken) {
		t.Errorf("signing: %v", err)
	}
}

func TestNoTokenLivesLongerThanItsKeyIsKept(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	i := newIssuer(t, newKeys(t), &now, credential)
	if _, err := i.LayerToken(t.Context(), someone, "arn@sha256:0", Lifetime); err != nil {
		t.Error(err)
	}
	if _, err := i.LayerToken(t.Context(), someone, "arn@sha256:0", Lifetime+1); err == nil {
		t.Error("made one that lives longer than a password")
	}
}

func TestATokenIsKnownOnceItsSignatureWasFoundGood(t *testing.T) {
	now, keys, ctx := time.Unix(1_800_000_000, 0), newKeys(t), t.Context()
	password, _, err := newIssuer(t, keys, &now, credential).Password(ctx, someone, "1", "r")
	if err != nil {
		t.Fatal(err)
	}
	i := newIssuer(t, keys, &now) // where its holder is gone
	if i.Known(password) {
		t.Error("known before it was looked at")
	}
	forged := password[:strings.LastIndex(password, ".")+1] + "AAAA"
	for _, p := range []string{password, forged} {
		if _, err := i.Verify(ctx, p); !errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
	}
	if !i.Known(password) || i.Known(forged) || i.Known("") {
		t.Errorf("known: the right one %t, a forged one %t, none %t", i.Known(password), i.Known(forged), i.Known(""))
	}
}

func BenchmarkVerify(b *testing.B) {
	now := time.Unix(1_800_000_000, 0)
	i := newIssuer(b, newKeys(b), &now, credential)
	password, _, err := i.Password(context.Background(), someone, "123456789012", "eu-west-1")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Verify(context.Background(), password); err != nil {
			b.Fatal(err)
		}
	}
}
