// Package bytesize reads and writes amounts of bytes as people do: 10GiB, 512 MiB.
// It knows only powers of 1024, by their names from IEC 80000-13; K, M, G and T stand
// for the same.
package bytesize

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var units = []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}

// Parse reads an amount of bytes: a number, which may have a fraction, and a unit,
// which may be left out for bytes. Its errors say what would be right.
func Parse(s string) (int64, error) {
	wrong := fmt.Errorf("%q is not a number of bytes, such as 512MiB or 10GiB", s)
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit, ok := factor(s[len(digits):])
	number := strings.TrimSpace(digits)
	if !ok || number == "" || strings.Trim(number, "0123456789.") != "" {
		return 0, wrong
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil {
		if whole > math.MaxInt64/unit {
			return 0, wrong
		}
		return whole * unit, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f*float64(unit) >= math.MaxInt64 {
		return 0, wrong
	}
	return int64(f * float64(unit)), nil
}

// factor is how many bytes a unit stands for, in any case.
func factor(unit string) (int64, bool) {
	f := int64(1)
	for _, u := range units {
		if strings.EqualFold(unit, u) || unit == "" || len(u) == 3 && strings.EqualFold(unit, u[:1]) {
			return f, true
		}
		f <<= 10
	}
	return 0, false
}

// Format writes an amount of bytes in the largest unit of which there is one, with
// as many digits behind the point as tell apart what a person tells apart.
func Format(n int64) string {
	size, unit := float64(n), 0
	for math.Abs(size) >= 1024 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	text := strconv.FormatFloat(size, 'f', 2, 64)
	text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	return text + " " + units[unit]
}
