package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newBox(t testing.TB, fill byte) *Box {
	t.Helper()
	b, err := New(bytes.Repeat([]byte{fill}, KeySize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsSealedIsOpenedInItsPlaceOnly(t *testing.T) {
	b := newBox(t, 1)
	for _, text := range []string{"", "s", strings.Repeat("a long secret ", 1000)} {
		sealed, err := b.Seal([]byte(text), "row 1")
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 8 && bytes.Contains(sealed, []byte(text[:8])) {
			t.Error("the text is to be read in what is sealed")
		}
		if got, err := b.Open(sealed, "row 1"); err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := b.Open(sealed, "row 2"); !errors.Is(err, ErrDamaged) {
			t.Errorf("in another place: %v", err)
		}
		if _, err := newBox(t, 2).Open(sealed, "row 1"); !errors.Is(err, ErrOtherKey) {
			t.Errorf("with another key: %v", err)
		}
	}
}

func TestTheSameIsNeverSealedTheSame(t *testing.T) {
	b := newBox(t, 1)
	seen := map[string]bool{}
	for range 100 {
		sealed, err := b.Seal([]byte("secret"), "row")
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(sealed)] {
			t.Fatal("a nonce was used twice")
		}
		seen[string(sealed)] = true
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	b := newBox(t, 1)
	sealed, err := b.Seal([]byte("secret"), "row")
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 0x40
		if _, err := b.Open(changed, "row"); err == nil {
			t.Errorf("byte %d", i)
		}
		if _, err := b.Open(sealed[:i], "row"); err == nil {
			t.Errorf("the first %d bytes", i)
		}
	}
	if _, err := b.Open(append(bytes.Clone(sealed), 0), "row"); err == nil {
		t.Error("one byte more")
	}
}

func TestABoxForAPurposeOpensOnlyItsOwn(t *testing.T) {
	b := newBox(t, 1)
	letters, err := b.For("letters")
	if err != nil {
		t.Fatal(err)
	}
	again, err := newBox(t, 1).For("letters")
	if err != nil {
		t.Fatal(err)
	}
	cards, err := b.For("cards")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := letters.Seal([]byte("dear"), "")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(sealed, ""); err != nil || string(got) != "dear" {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	for name, other := range map[string]*Box{"the one it is derived from": b, "one for another purpose": cards} {
		if _, err := other.Open(sealed, ""); !errors.Is(err, ErrOtherKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheKeyFileIsMadeOnceAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	first, err := OpenFile(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	sealed, err := first.Seal([]byte("secret"), "row")
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenFile(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(sealed, "row"); err != nil || string(got) != "secret" {
		t.Errorf("after reopening: %q, %v", got, err)
	}
	// What the file holds can be given in the environment.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		t.Fatal(err)
	}
	given, err := New(key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := given.Open(sealed, "row"); err != nil {
		t.Errorf("given as text: %v", err)
	}
}

func TestWhatIsNoKeyIsRefusedAndNotRepeated(t *testing.T) {
	short := base64.StdEncoding.EncodeToString(make([]byte, KeySize-1))
	for _, text := range []string{"", "letmeinletmein", short} {
		if _, err := ParseKey(text); err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
		path := filepath.Join(t.TempDir(), "seal.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenFile(path, rand.Reader); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("a file with %q: %v", text, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("the file with %q was overwritten", text)
		}
	}
}

func FuzzOpenTakesAnything(f *testing.F) {
	b := newBox(f, 1)
	sealed, err := b.Seal([]byte("secret"), "row")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:overhead])
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, in []byte) {
		if got, err := b.Open(in, "row"); err == nil && string(got) != "secret" {
			t.Errorf("forged: %q", got)
		}
	})
}

func TestWhatIsDerivedFollowsFromKeyPurposeAndName(t *testing.T) {
	derive := func(b *Box, purpose, name string) string {
		t.Helper()
		out, err := b.Derive(purpose, name, 16)
		if err != nil || len(out) != 16 {
			t.Fatal(out, err)
		}
		return string(out)
	}
	one := derive(newBox(t, 1), "ids", "a")
	if derive(newBox(t, 1), "ids", "a") != one {
		t.Error("it is another one the second time")
	}
	for what, other := range map[string]string{
		"another key": derive(newBox(t, 2), "ids", "a"), "another purpose": derive(newBox(t, 1), "id", "sa"), "another name": derive(newBox(t, 1), "ids", "b"),
	} {
		if other == one {
			t.Errorf("%s: the same comes of it", what)
		}
	}
}
