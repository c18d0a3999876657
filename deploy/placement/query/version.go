package query

import (
	"cmp"
	"strconv"
	"strings"
)

// Version is that of a container agent: numbers with dots between them, and
// perhaps a mark such as -rc1, which makes it earlier than the same without.
type Version struct {
	numbers [maxNumbers]int
	mark    string
}

// maxNumbers is more than any agent has had.
const maxNumbers = 6

// ParseVersion reads a version such as 1.14.5 or v1.14.5-rc1. What is left out at
// the end counts as 0.
func ParseVersion(s string) (Version, bool) {
	s = strings.TrimPrefix(s, "v")
	s, mark, marked := strings.Cut(s, "-")
	if marked && mark == "" {
		return Version{}, false
	}
	parts := strings.Split(s, ".")
	if len(parts) > maxNumbers {
		return Version{}, false
	}
	v := Version{mark: mark}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return Version{}, false
		}
		v.numbers[i] = int(n)
	}
	return v, true
}

// Compare is less than, equal to or more than 0 as v is earlier than, the same
// as or later than w.
func (v Version) Compare(w Version) int {
	for i := range v.numbers {
		if c := cmp.Compare(v.numbers[i], w.numbers[i]); c != 0 {
			return c
		}
	}
	switch {
	case v.mark == w.mark:
		return 0
	case v.mark == "":
		return 1
	case w.mark == "":
		return -1
	}
	return cmp.Compare(v.mark, w.mark)
}
