// Package diskroom tells how much room a disk has, and how much of it is to be left:
// the watermark below which nothing more is taken in, so that a full disk does not
// stop what has to go on.
package diskroom

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"drydock/internal/bytesize"
)

// Watermark is how much of a disk is to be left free: a number of bytes, a part of
// the disk or, where both are given, the smaller of the two. The zero value is
// nothing.
type Watermark struct {
	Bytes   int64
	Percent float64
}

// Parse reads a watermark: 10GiB, 5%, or both with a comma between them. Its errors
// say what would be right.
func Parse(s string) (Watermark, error) {
	var w Watermark
	if s == "0" {
		return w, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		var err error
		if number, isPart := strings.CutSuffix(part, "%"); isPart && w.Percent == 0 {
			w.Percent, err = strconv.ParseFloat(number, 64)
			if err == nil && !(w.Percent > 0 && w.Percent < 100) {
				err = strconv.ErrRange
			}
		} else if !isPart && w.Bytes == 0 {
			w.Bytes, err = bytesize.Parse(part)
			if err == nil && w.Bytes == 0 {
				err = strconv.ErrRange
			}
		} else {
			err = strconv.ErrSyntax
		}
		if err != nil {
			return Watermark{}, fmt.Errorf("%q is not room on a disk: give a size such as 10GiB, a part of the disk such as 5%%, the smaller of both as 5%%,10GiB, or 0 for none", s)
		}
	}
	return w, nil
}

// String writes a watermark as Parse reads it.
func (w Watermark) String() string {
	var parts []string
	if w.Percent > 0 {
		parts = append(parts, strconv.FormatFloat(w.Percent, 'f', -1, 64)+"%")
	}
	if w.Bytes > 0 {
		parts = append(parts, strings.ReplaceAll(bytesize.Format(w.Bytes), " ", ""))
	}
	if parts == nil {
		return "0"
	}
	return strings.Join(parts, ",")
}

// Of is how many bytes are to be left free on a disk of size bytes.
func (w Watermark) Of(size int64) int64 {
	part := int64(float64(size) / 100 * w.Percent)
	switch {
	case w.Percent == 0:
		return w.Bytes
	case w.Bytes == 0:
		return part
	}
	return min(part, w.Bytes)
}

// Look tells how many bytes are free for this process on the disk that a folder is
// on, and how many the disk has.
func Look(folder string) (free, size int64, err error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(folder, &disk); err != nil {
		return 0, 0, fmt.Errorf("look for room in %s: %w", folder, err)
	}
	block := int64(disk.Bsize)
	return int64(disk.Bavail) * block, int64(disk.Blocks) * block, nil
}
