package nearest

import "testing"

func TestSuggestion(t *testing.T) {
	known := []string{"account", "data", "listen", "log-format", "log-level"}
	for word, want := range map[string]string{
		"acount":          "; did you mean --account?",
		"Listen":          "; did you mean --listen?",
		"loglevel":        "; did you mean --log-level?",
		"log":             "",
		"completely-else": "",
		"":                "",
	} {
		if got := Suggestion(word, known, "--"); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
	if got := Suggestion("x", nil, ""); got != "" {
		t.Errorf("out of nothing came %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"ab", "ba", 2}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
