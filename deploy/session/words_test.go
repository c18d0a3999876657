package session

import (
	"errors"
	"slices"
	"testing"
)

func TestACommandIsTakenApartLikeAShellDoes(t *testing.T) {
	for command, want := range map[string][]string{
		"":                              nil,
		" \t\n ":                        nil,
		"/bin/sh":                       {"/bin/sh"},
		"  ls   -l\t/ ":                 {"ls", "-l", "/"},
		`sh -c 'echo "$HOME" && ls'`:    {"sh", "-c", `echo "$HOME" && ls`},
		`a ""  '' b`:                    {"a", "", "", "b"},
		`a\ b "c \"d\" \e" 'f\'g`:       {"a b", `c "d" \e`, `f\g`},
		"one\\\ntwo \\\n three":         {"onetwo", "three"},
		"Größe 'ü ö'":                   {"Größe", "ü ö"},
		`x"y"'z'`:                       {"xyz"},
		"'it'\\''s one'":                {"it's one"},
		`echo $HOME; ls > "/tmp/$USER"`: {"echo", "$HOME;", "ls", ">", "/tmp/$USER"},
	} {
		if got, err := Words(command); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", command, got, err, want)
		}
	}
	for _, command := range []string{`'`, `a "b`, `a\`, `"\"`} {
		if got, err := Words(command); !errors.Is(err, ErrQuote) {
			t.Errorf("%q: got %q, %v", command, got, err)
		}
	}
}

func FuzzWordsComeBackAsTheyWere(f *testing.F) {
	f.Add("sh", "-c", "echo 'a b' \\ \"$x\"\n")
	f.Add("", "#", "~\r")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		// A command is text: what is not UTF-8 cannot be sent as one.
		words := []string{string([]rune(a)), string([]rune(b)), string([]rune(c))}
		if got, err := Words(Command(words)); err != nil || !slices.Equal(got, words) {
			t.Errorf("%q: got %q, %v", words, got, err)
		}
	})
}
