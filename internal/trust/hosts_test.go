package trust

import (
	"os"
	"strings"
	"testing"
)

// FuzzHosts holds that whatever a hosts file looks like, taking our block out
// gives back what was there before it was put in.
func FuzzHosts(f *testing.F) {
	for _, seed := range []string{"", "127.0.0.1 localhost", "a\r\nb\n\n", "# END drydock\n", "# BEGIN drydock\n", "\x00\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, before string) {
		if strings.Contains(before, hostsBegin) || strings.Contains(before, hostsMade) {
			t.Skip("somebody imitates us")
		}
		s := machine(t, map[string]string{"/etc/hosts": before})
		if _, err := s.addHosts("127.0.0.1", []string{"a.example", "b.example"}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, s, "/etc/hosts"); !strings.HasSuffix(got, before) || !strings.Contains(got, "127.0.0.1\tb.example\n") {
			t.Errorf("%q became %q", before, got)
		}
		if _, err := s.removeHosts(); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(s.path("/etc/hosts")); err != nil || string(b) != before {
			t.Errorf("%q came back as %q, %v", before, b, err)
		}
	})
}
