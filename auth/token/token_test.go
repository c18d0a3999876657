package token

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"drydock/auth"
)

var someone = auth.Principal{ARN: auth.RootARN("123456789012"), Account: "123456789012", UserID: "123456789012", AccessKeyID: "AKIA1"}

func newIssuer(t testing.TB, keys *Keys, now *time.Time, active ...auth.Credential) *Issuer {
	t.Helper()
	known, err := auth.NewStaticKeys(active...)
	if err != nil {
		t.Fatal(err)
	}
	return New(keys, known, func() time.Time { return *now }, rand.Reader)
}

func newKeys(t testing.TB) *Keys {
	t.Helper()
	k, err := OpenKeys(filepath.Join(t.TempDir(), "keys.json"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
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
	unsigned.Header["kid"] = keys.signing().ID
	none, err := unsigned.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	longer := jwt.NewWithClaims(jwt.SigningMethodHS512, c)
	longer.Header["kid"] = keys.signing().ID
	other, err := longer.SignedString(keys.signing().Secret)
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
	both, err := NewKeys(newKeys(t).signing(), older.signing())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newIssuer(t, both, &now, credential).Verify(context.Background(), password); err != nil {
		t.Error(err)
	}
}

func TestKeysAreKeptAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	first, err := OpenKeys(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	again, err := OpenKeys(path, rand.Reader)
	if err != nil || !bytes.Equal(first.signing().Secret, again.signing().Secret) {
		t.Errorf("another key after reopening: %v", err)
	}
	if err := os.WriteFile(path, []byte(`[{"id":"x","secret":"AA=="}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(path, rand.Reader); err == nil {
		t.Error("a short key was accepted")
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
