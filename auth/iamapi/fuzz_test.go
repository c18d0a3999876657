package iamapi

import (
	"net/url"
	"testing"
)

func FuzzMarkersAreReadOrRefused(f *testing.F) {
	l := listing{"ListUsers", accountID, `["/"]`}
	for _, s := range []string{"", "bob", *l.marker("bob"), "AAAAAAAA", "%%%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, marker string) {
		p, err := l.page(&marker, nil)
		if err == nil && *l.marker(p.After) != marker {
			t.Errorf("%q was read as %q", marker, p.After)
		}
	})
}

func FuzzDocumentsSurviveTheirEncoding(f *testing.F) {
	f.Add(pullDocument)
	f.Add("\x00%25 +ä/\xff")
	f.Fuzz(func(t *testing.T, document string) {
		e := *encoded(document)
		for _, c := range []byte(e) {
			if c <= ' ' || c > '~' || c == '+' || c == '"' {
				t.Fatalf("%q is in %q", c, e)
			}
		}
		if back, err := url.PathUnescape(e); err != nil || back != document {
			t.Errorf("%q came back as %q (%v)", document, back, err)
		}
	})
}
