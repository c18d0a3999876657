package secret

import (
	"bufio"
	"fmt"
	"strings"
)

// Environment reads a file of environment variables: a line VARIABLE=VALUE for each,
// of which the value is taken as it stands; lines that begin with # and empty ones
// say nothing. Errors: the number of a line that is none of these.
//
// Source: Amazon ECS Developer Guide, "Pass environment variables to a container".
func Environment(text string) (map[string]string, error) {
	env := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, MaxSize+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.TrimSpace(name) == "" || strings.ContainsRune(line, 0) {
			return nil, fmt.Errorf("line %d is not of the form VARIABLE=VALUE", n)
		}
		env[name] = value
	}
	return env, lines.Err()
}
