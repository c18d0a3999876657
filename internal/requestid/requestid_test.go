package requestid

import (
	"bytes"
	"context"
	"crypto/rand"
	"regexp"
	"testing"
	"testing/iotest"
)

func TestAnIDIsARandomUUID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := New(rand.Reader)
		if !form.MatchString(id) {
			t.Fatalf("%q is not a version 4 UUID", id)
		}
		if seen[id] {
			t.Fatalf("%q came twice", id)
		}
		seen[id] = true
	}
}

func TestAnIDIsMadeOfTheBytesGiven(t *testing.T) {
	got := New(bytes.NewReader([]byte("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")))
	if want := "00112233-4455-4677-8899-aabbccddeeff"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAFailingSourceStillGivesAnID(t *testing.T) {
	if got, want := New(iotest.ErrReader(context.Canceled)), "00000000-0000-4000-8000-000000000000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTheContextCarriesTheID(t *testing.T) {
	if got := From(context.Background()); got != "" {
		t.Errorf("an empty context carries %q", got)
	}
	if got := From(With(context.Background(), "one")); got != "one" {
		t.Errorf("got %q", got)
	}
}
