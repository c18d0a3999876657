package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// calculate returns the signature that the secret gives the request, over
// exactly the headers that the claim names.
// Source: AWS Identity and Access Management User Guide, "Create a signed AWS
// API request".
func (c *claim) calculate(r *http.Request, secret, payloadHash string) ([]byte, error) {
	request, err := c.canonicalRequest(r, payloadHash)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(request))
	scope := c.date + "/" + c.region + "/" + c.service + "/" + terminator
	toSign := algorithm + "\n" + c.stamp + "\n" + scope + "\n" + hex.EncodeToString(hash[:])

	key := []byte("AWS4" + secret)
	for _, part := range []string{c.date, c.region, c.service, terminator} {
		key = mac(key, part)
	}
	return mac(key, toSign), nil
}

func mac(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

func (c *claim) canonicalRequest(r *http.Request, payloadHash string) (string, error) {
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	var b strings.Builder
	b.WriteString(r.Method)
	b.WriteByte('\n')
	escape(&b, path, true)
	b.WriteByte('\n')
	c.writeQuery(&b)
	b.WriteByte('\n')
	for _, name := range c.signedHeaders {
		values, ok := headerValues(r, name)
		if !ok {
			return "", errMismatch
		}
		b.WriteString(name)
		b.WriteByte(':')
		for i, v := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			writeTrimmed(&b, v)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(c.signedHeaders, ";"))
	b.WriteByte('\n')
	b.WriteString(payloadHash)
	return b.String(), nil
}

// writeQuery writes the query string's parameters, encoded and sorted, without
// the signature itself.
func (c *claim) writeQuery(b *strings.Builder) {
	type pair struct{ key, value string }
	pairs := make([]pair, 0, len(c.query))
	for key, values := range c.query {
		if c.presigned && key == "X-Amz-Signature" {
			continue
		}
		for _, v := range values {
			pairs = append(pairs, pair{encoded(key), encoded(v)})
		}
	}
	slices.SortFunc(pairs, func(x, y pair) int {
		if d := strings.Compare(x.key, y.key); d != 0 {
			return d
		}
		return strings.Compare(x.value, y.value)
	})
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.key)
		b.WriteByte('=')
		b.WriteString(p.value)
	}
}

func encoded(s string) string {
	var b strings.Builder
	escape(&b, s, false)
	return b.String()
}

// escape percent-encodes all but the unreserved characters of RFC 3986. A path
// keeps its slashes; it is escaped as it was sent, so twice where the client had
// escaped it, which is the rule of every service but S3.
func escape(b *strings.Builder, s string, isPath bool) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '.', c == '_', c == '~', isPath && c == '/':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
}

// headerValues finds a header's values where net/http puts them: some are not
// in the header map of a server's request.
func headerValues(r *http.Request, name string) ([]string, bool) {
	switch name {
	case "host":
		return []string{r.Host}, r.Host != ""
	case "transfer-encoding":
		return r.TransferEncoding, len(r.TransferEncoding) > 0
	case "content-length":
		if v := r.Header.Values("Content-Length"); len(v) > 0 {
			return v, true
		}
		return []string{strconv.FormatInt(r.ContentLength, 10)}, r.ContentLength >= 0
	}
	v := r.Header.Values(name)
	return v, len(v) > 0
}

// writeTrimmed writes a header's value without the blanks around it, and with
// one for each run of them inside it.
func writeTrimmed(b *strings.Builder, s string) {
	s = strings.Trim(s, " \t")
	blank := false
	for i := range len(s) {
		if s[i] == ' ' {
			if blank {
				continue
			}
			blank = true
		} else {
			blank = false
		}
		b.WriteByte(s[i])
	}
}

// payload is the last line of the canonical request. declared is what the
// request itself says of its body, "" when it says nothing.
func (c *claim) payload(r *http.Request, body []byte) (string, error) {
	declared := c.query.Get("X-Amz-Content-Sha256")
	if !c.presigned {
		declared = ""
	}
	if h := r.Header.Values("X-Amz-Content-Sha256"); len(h) > 0 {
		declared = h[0]
	}
	if declared == unsignedPayload && c.presigned && r.Method == http.MethodGet && len(body) == 0 {
		return unsignedPayload, nil
	}
	sum := sha256.Sum256(body)
	actual := hex.EncodeToString(sum[:])
	if declared != "" && declared != actual {
		return "", refuse(Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return actual, nil
}

const unsignedPayload = "UNSIGNED-PAYLOAD"

// checkSigned refuses a request of which a part that decides what it means is
// not signed: its host, its time, or any header of AWS's own.
func (c *claim) checkSigned(header http.Header) error {
	if !slices.Contains(c.signedHeaders, "host") {
		return refuse(Mismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(c.signedHeaders, lower) {
			return refuse(Mismatch, "'%s' must be a 'SignedHeader' in the AWS Authorization.", shorten(lower))
		}
	}
	return nil
}
