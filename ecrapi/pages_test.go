package ecrapi

import (
	"reflect"
	"testing"

	"drydock/storage"
)

func TestATokenLeadsBackToItsPlace(t *testing.T) {
	l := listing{"ListImages", demo, "TAGGED "}
	for _, place := range [][]string{{"sha256:ab", "v1"}, {"sha256:ab", ""}, {"", "é/\"\x00"}} {
		got, err := l.after(l.token(place...), 2)
		if err != nil || !reflect.DeepEqual(got, place) {
			t.Errorf("%q came back as %q (%v)", place, got, err)
		}
	}
	if got, err := l.after(nil, 2); err != nil || !reflect.DeepEqual(got, []string{"", ""}) {
		t.Errorf("no token begins at %q (%v)", got, err)
	}
}

func TestATokenBelongsToItsListing(t *testing.T) {
	l := listing{"ListImages", demo, "TAGGED "}
	elsewhere, abroad := demo, demo
	elsewhere.Account, abroad.Region = other, "us-east-1"
	renamed := storage.Ref{Scope: demo.Scope, Name: "demo2"}
	for _, other := range []listing{
		{"DescribeImages", demo, "TAGGED "}, {"ListImages", demo, ""}, {"ListImages", elsewhere, "TAGGED "},
		{"ListImages", abroad, "TAGGED "}, {"ListImages", renamed, "TAGGED "},
	} {
		_, err := other.after(l.token("sha256:ab", "v1"), 2)
		wantCode(t, err, "InvalidParameterException")
	}
}

func FuzzTokensFromOutsideNeverBreakAListing(f *testing.F) {
	l := listing{"ListImages", demo, ""}
	f.Add("")
	f.Add("e30")
	f.Add("bnVsbA")
	f.Add(*l.token("a"))
	f.Add(*l.token("a", "b"))
	f.Fuzz(func(t *testing.T, token string) {
		after, err := l.after(&token, 2)
		if err != nil {
			wantCode(t, err, "InvalidParameterException")
		} else if len(after) != 2 {
			t.Errorf("the token %q gave %q", token, after)
		}
	})
}

func TestPagesHoldWhatWasAskedForWithinBounds(t *testing.T) {
	if got := pageSize(nil); got != 100 {
		t.Errorf("without maxResults a page holds %d", got)
	}
	for asked, want := range map[int32]int{-5: 1, 0: 1, 1: 1, 1000: 1000, 5000: 1000} {
		if got := pageSize(&asked); got != want {
			t.Errorf("for maxResults %d a page holds %d", asked, got)
		}
	}
	if page, more := cut([]int{1, 2}, 2); len(page) != 2 || more {
		t.Error("a full last page is followed by another")
	}
	if page, more := cut([]int{1, 2, 3}, 2); len(page) != 2 || !more {
		t.Error("a page that is not the last ends the listing")
	}
}
