package awsapi

import (
	"net"
	"strings"
)

// regionOf is the region that the host name of a request names, as Amazon's
// names do, or "" where any region will do: api.ecr.eu-west-1.amazonaws.com,
// ecr.eu-west-1.api.aws, but not iam.amazonaws.com or localhost.
// Source: AWS General Reference, "Service endpoints and quotas".
func regionOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, suffix := range []string{".amazonaws.com", ".api.aws"} {
		if rest, ok := strings.CutSuffix(host, suffix); ok {
			if label := rest[strings.LastIndexByte(rest, '.')+1:]; isRegion(label) {
				return label
			}
		}
	}
	return ""
}

// fits returns what tells whether a request that was sent to a host may be signed
// for a region.
func fits(host string) func(region string) bool {
	want := regionOf(host)
	return func(region string) bool { return region == want || want == "" && isRegion(region) }
}

// isRegion reports whether s has the form of a region's name: words of letters,
// at least two, and a number, joined by dashes.
func isRegion(s string) bool {
	parts := strings.Split(s, "-")
	last := len(parts) - 1
	for i, p := range parts {
		low, high := byte('a'), byte('z')
		if i == last {
			low, high = '0', '9'
		}
		if p == "" || strings.ContainsFunc(p, func(r rune) bool { return r < rune(low) || r > rune(high) }) {
			return false
		}
	}
	return last >= 2 && len(parts[0]) >= 2 && len(parts[0]) <= 4 && len(parts[last]) <= 2 && len(s) <= 25
}
