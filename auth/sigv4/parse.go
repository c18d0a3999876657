package sigv4

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"

	// skew is how far the clocks of client and server may lie apart.
	skew = 5 * time.Minute
	// A presigned request says for how long it is good, up to a week; one that
	// does not is good for a quarter of an hour, as at AWS's STS.
	presignedLifetime = 15 * time.Minute
	maxPresigned      = 7 * 24 * time.Hour

	// maxSignedHeaders bounds the work that a request can ask for before it is
	// known to come from anybody.
	maxSignedHeaders = 64
)

// claim is what a request says about its signature, in the form of neither of
// the two places where it can say it.
type claim struct {
	accessKeyID   string
	date          string // of the scope, YYYYMMDD
	region        string
	service       string
	signedHeaders []string
	signature     []byte
	stamp         string // as sent, the second line of the string to sign
	signed        time.Time
	lifetime      time.Duration
	presigned     bool
	token         string
	query         url.Values
}

// parse reads the claim of a request from its Authorization header or from its
// query string. Errors: *Error of kind MissingToken or Incomplete.
func parse(r *http.Request) (*claim, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(Incomplete, "The query string is not well-formed.")
	}
	header := r.Header.Values("Authorization")
	_, presigned := query["X-Amz-Algorithm"]
	switch {
	case len(header) == 0 && !presigned, len(header) == 1 && header[0] == "" && !presigned:
		return nil, errMissing
	case len(header) > 1, len(header) == 1 && presigned:
		return nil, refuse(Incomplete, "A request carries one signature: in one Authorization header or in the query string.")
	case presigned:
		return parseQuery(query)
	}
	return parseHeader(r, header[0], query)
}

func parseHeader(r *http.Request, header string, query url.Values) (*claim, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if name != algorithm {
		return nil, refuse(Incomplete, "Unsupported AWS 'algorithm': '%s'.", shorten(name))
	}
	given := make(map[string]string, 3)
	for part := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, refuse(Incomplete, "'%s' not a valid key=value pair (missing equal-sign) in Authorization header.", shorten(key))
		}
		if _, twice := given[key]; twice {
			return nil, refuse(Incomplete, "'%s' stands twice in Authorization header.", shorten(key))
		}
		given[key] = value
	}
	var missing []string
	for _, key := range []string{"Credential", "Signature", "SignedHeaders"} {
		if given[key] == "" {
			missing = append(missing, "'"+key+"' parameter")
		}
	}
	stamps := r.Header.Values("X-Amz-Date")
	if len(stamps) != 1 {
		missing = append(missing, "existence of a 'X-Amz-Date' header")
	}
	if missing != nil {
		return nil, requires("Authorization header requires %s.", missing)
	}
	c := &claim{lifetime: skew, token: r.Header.Get("X-Amz-Security-Token"), query: query}
	if err := c.fill(given["Credential"], given["SignedHeaders"], given["Signature"], stamps[0]); err != nil {
		return nil, err
	}
	return c, nil
}

func parseQuery(query url.Values) (*claim, error) {
	one := func(key string) string {
		if v := query[key]; len(v) == 1 {
			return v[0]
		}
		return ""
	}
	if a := one("X-Amz-Algorithm"); a != algorithm {
		return nil, refuse(Incomplete, "Unsupported AWS 'algorithm': '%s'.", shorten(a))
	}
	var missing []string
	for _, key := range []string{"X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if one(key) == "" {
			missing = append(missing, key)
		}
	}
	if missing != nil {
		return nil, requires("AWS query-string parameters must include '%s'.", missing)
	}
	c := &claim{presigned: true, lifetime: presignedLifetime, token: one("X-Amz-Security-Token"), query: query}
	if _, told := query["X-Amz-Expires"]; told {
		n, err := strconv.ParseUint(one("X-Amz-Expires"), 10, 32)
		if c.lifetime = time.Duration(n) * time.Second; err != nil || n < 1 || c.lifetime > maxPresigned {
			return nil, refuse(Incomplete, "X-Amz-Expires must be a number of seconds from 1 to %d.", maxPresigned/time.Second)
		}
	}
	if err := c.fill(one("X-Amz-Credential"), one("X-Amz-SignedHeaders"), one("X-Amz-Signature"), one("X-Amz-Date")); err != nil {
		return nil, err
	}
	return c, nil
}

// fill takes the parts apart that both forms have in common.
func (c *claim) fill(credential, signedHeaders, signature, stamp string) error {
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[0] == "" {
		return refuse(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", shorten(credential))
	}
	if scope[4] != terminator {
		return refuse(Mismatch, "Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, shorten(scope[4]))
	}
	c.accessKeyID, c.date, c.region, c.service = scope[0], scope[1], scope[2], scope[3]

	at, err := time.Parse(timeFormat, stamp)
	if err != nil {
		return refuse(Incomplete, "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", shorten(stamp))
	}
	if c.signed, c.stamp = at, stamp; c.date != stamp[:8] {
		return refuse(Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", shorten(c.date), stamp[:8], stamp)
	}

	c.signedHeaders = strings.Split(signedHeaders, ";")
	if len(c.signedHeaders) > maxSignedHeaders {
		return refuse(Incomplete, "SignedHeaders names more than %d headers.", maxSignedHeaders)
	}
	seen := make(map[string]bool, len(c.signedHeaders))
	for _, h := range c.signedHeaders {
		if !isHeaderName(h) || seen[h] {
			return refuse(Incomplete, "SignedHeaders must be lower-case header names, once each, separated by ';', got '%s'.", shorten(h))
		}
		seen[h] = true
	}
	// A signature of the wrong form is a wrong signature, not an incomplete
	// one: the request is refused where any other would be.
	if b, err := hex.DecodeString(signature); err == nil && len(b) == 32 {
		c.signature = b
	}
	return nil
}

// isHeaderName reports whether s is a header name as SignedHeaders spells it, a
// token of RFC 9110 without capitals.
func isHeaderName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			continue
		}
		return false
	}
	return s != ""
}

// shorten keeps what a client sent from filling an answer.
func shorten(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
