package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mark is what a Writer has stored, as it is handed out by Flush: an object that
// holds all, or a multipart upload with the parts that count. It does not list
// their ETags, of which there may be 10,000, but it knows them when it sees them.
type mark struct {
	// Name is that of the object, below the path of the upload.
	Name string `json:"name"`
	Size int64  `json:"size"`
	// ID is that of the multipart upload; empty for an object.
	ID string `json:"id,omitempty"`
	// Parts are the numbers of the parts, such as "1-8,10".
	Parts string `json:"parts,omitempty"`
	// Sum is a hash of the parts' numbers, sizes and ETags.
	Sum string `json:"sum,omitempty"`
}

// part is a part of a multipart upload.
type part struct {
	number   int32
	size     int64
	etag     string
	checksum string // CRC-32, empty where checksums are left out
}

func (m mark) String() string {
	b, _ := json.Marshal(m) // of texts and a number: cannot fail
	return string(b)
}

// parseMark reads what String wrote.
func parseMark(s string) (mark, error) {
	var m mark
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		return mark{}, fmt.Errorf("read the mark %q: %w", s, err)
	}
	if !plain("/"+m.Name) || strings.Contains(m.Name, "/") || m.Size < 0 {
		return mark{}, fmt.Errorf("the mark %q was not made here", s)
	}
	return m, nil
}

// markParts fills in what the mark tells of parts.
func (m *mark) markParts(parts []part) {
	var b strings.Builder
	for i := 0; i < len(parts); {
		j := i
		for j+1 < len(parts) && parts[j+1].number == parts[j].number+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(parts[i].number)))
		if j > i {
			b.WriteString("-" + strconv.Itoa(int(parts[j].number)))
		}
		i = j + 1
	}
	m.Parts, m.Sum = b.String(), sumOf(parts)
}

func sumOf(parts []part) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d %d %s\n", p.number, p.size, p.etag)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// choose picks the parts that count out of all that a multipart upload has. It
// reports false when they are not there, or not as they were.
func (m mark) choose(all []part) ([]part, bool) {
	var chosen []part
	var size int64
	for run := range strings.SplitSeq(m.Parts, ",") {
		from, to, isRun := strings.Cut(run, "-")
		if !isRun {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || first < 1 || last > maxParts {
			return nil, false
		}
		for n := first; n <= last; n++ {
			i, ok := slices.BinarySearchFunc(all, int32(n), func(p part, n int32) int { return int(p.number - n) })
			if !ok {
				return nil, false
			}
			chosen = append(chosen, all[i])
			size += all[i].size
		}
	}
	return chosen, size == m.Size && sumOf(chosen) == m.Sum
}
