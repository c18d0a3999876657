package session

import (
	"errors"
	"strings"
)

// Logs is the command that no container has and that asks, as ExecuteCommand's, for
// what a container has written; LogsFollowed asks also for what it goes on to write.
const (
	Logs         = "drydock:logs"
	LogsFollowed = Logs + " --follow"
)

// ErrQuote is of a command with a quotation that does not end.
var ErrQuote = errors.New("a quotation in the command does not end")

// Words takes a command apart as a POSIX shell does, as to its quotes; nothing is
// expanded. Amazon's agent does the same before it runs a command in a container,
// without a shell. Errors: ErrQuote.
func Words(command string) ([]string, error) {
	var words []string
	var word strings.Builder
	begun := false
	var quote, escaped rune
	for _, r := range command {
		switch {
		case escaped != 0:
			// Between double quotes only these are escaped.
			if quote == '"' && !strings.ContainsRune("\"\\$`\n", r) {
				word.WriteByte('\\')
			}
			if r != '\n' { // a line that goes on
				word.WriteRune(r)
				begun = true
			}
			escaped = 0
		case r == '\\' && quote != '\'':
			escaped = r
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case strings.ContainsRune(" \t\r\n", r):
			if begun {
				words = append(words, word.String())
				word.Reset()
				begun = false
			}
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped != 0 {
		return nil, ErrQuote
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

// Command is the command of which Words makes these words again.
func Command(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.ContainsAny(w, " \t\r\n'\"\\$`&|;<>()*?[]#~=%!{}") {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
