package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// The block stands at the top of the file, because the first line that holds a
// name counts. Being in front of everything, it can also be taken out without
// a question of which line ends were there before.
const (
	hostsFile  = "/etc/hosts"
	hostsBegin = "# BEGIN drydock: these names lead to drydock until drydock trust --remove takes them out\n"
	hostsMade  = "# BEGIN drydock: this file was made by drydock trust --install, and --remove removes it\n"
	hostsEnd   = "# END drydock\n"
)

func (s System) addHosts(address string, names []string) (string, error) {
	path := s.path(hostsFile)
	before, err := os.ReadFile(path)
	begin := hostsBegin
	if errors.Is(err, fs.ErrNotExist) {
		begin = hostsMade
	} else if err != nil {
		return "", fmt.Errorf("reading the host names: %w", err)
	}
	rest, found, err := cutHosts(string(before))
	if err != nil {
		return "", err
	}
	if found != "" {
		begin = found
	}
	if len(names) == 0 {
		if found != "" {
			_, err = s.removeHosts()
		}
		return "", err
	}
	var block strings.Builder
	block.WriteString(begin)
	for _, n := range names {
		block.WriteString(address + "\t" + n + "\n")
	}
	block.WriteString(hostsEnd)
	if after := block.String() + rest; after != string(before) {
		if err := s.replace(path, []byte(after)); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s: %s to %s", hostsFile, plural(len(names), "name"), address), nil
}

func (s System) removeHosts() ([]string, error) {
	path := s.path(hostsFile)
	before, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the host names: %w", err)
	}
	rest, found, err := cutHosts(string(before))
	if err != nil || found == "" {
		return nil, err
	}
	if found == hostsMade && rest == "" {
		err = os.Remove(path)
	} else {
		err = s.replace(path, []byte(rest))
	}
	if err != nil {
		return nil, fmt.Errorf("removing the host names: %w", err)
	}
	return []string{hostsFile + ": the names"}, nil
}

// cutHosts takes our block out of a hosts file. begin is the line that it began
// with, "" where there is none.
func cutHosts(text string) (rest, begin string, err error) {
	for _, begin := range []string{hostsBegin, hostsMade} {
		before, after, found := strings.Cut(text, begin)
		if !found {
			continue
		}
		_, after, found = strings.Cut(after, hostsEnd)
		if !found {
			return "", "", fmt.Errorf("%s holds the line %q but not the line %q that belongs to it: take drydock's lines out by hand", hostsFile, strings.TrimSpace(begin), strings.TrimSpace(hostsEnd))
		}
		return before + after, begin, nil
	}
	return text, "", nil
}
