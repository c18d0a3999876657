package match

import (
	"strings"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"
)

// Severity is one of ECR's.
type Severity string

// The severities, the worst first.
const (
	Critical      Severity = "CRITICAL"
	High          Severity = "HIGH"
	Medium        Severity = "MEDIUM"
	Low           Severity = "LOW"
	Informational Severity = "INFORMATIONAL"
	Undefined     Severity = "UNDEFINED"
)

// Rank sorts severities, 0 is the worst.
func (s Severity) Rank() int {
	for i, known := range []Severity{Critical, High, Medium, Low, Informational} {
		if s == known {
			return i
		}
	}
	return 5
}

// Named is the severity that a word means which vendors use.
func Named(word string) (Severity, bool) {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "critical":
		return Critical, true
	case "high", "important":
		return High, true
	case "medium", "moderate":
		return Medium, true
	case "low":
		return Low, true
	case "negligible", "unimportant", "none", "informational":
		return Informational, true
	}
	return Undefined, false
}

// Score is the base score of a CVSS vector.
type Score struct {
	// Version is "2.0", "3.0", "3.1" or "4.0".
	Version string
	Vector  string
	Base    float64
}

// longestVector is the longest that is read; those of CVSS 4.0 with all metrics have
// some 200 characters.
const longestVector = 512

// ReadVector computes the base score of a vector, and reports whether it is one.
func ReadVector(vector string) (Score, bool) {
	if len(vector) > longestVector {
		return Score{}, false
	}
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		if v, err := gocvss40.ParseVector(vector); err == nil {
			return Score{"4.0", vector, v.Score()}, true
		}
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		if v, err := gocvss31.ParseVector(vector); err == nil {
			return Score{"3.1", vector, v.BaseScore()}, true
		}
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		if v, err := gocvss30.ParseVector(vector); err == nil {
			return Score{"3.0", vector, v.BaseScore()}, true
		}
	default:
		if v, err := gocvss20.ParseVector(vector); err == nil {
			return Score{"2.0", vector, v.BaseScore()}, true
		}
	}
	return Score{}, false
}

// Severity is that of a score by the scale of CVSS 3.0 and 4.0, which NVD uses for 2.0
// as well, without Critical there.
func (s Score) Severity() Severity {
	switch {
	case s.Base >= 9 && s.Version != "2.0":
		return Critical
	case s.Base >= 7:
		return High
	case s.Base >= 4:
		return Medium
	case s.Base > 0:
		return Low
	}
	return Informational
}
