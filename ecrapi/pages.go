package ecrapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"drydock/storage"
)

// Results of a list on one page when maxResults is not given, and at most.
const (
	defaultResults = 100
	maxResults     = 1000
)

// listing identifies a list that is read page by page. A token belongs to one
// listing: given to another, the position in it would mean nothing.
type listing struct {
	operation string
	ref       storage.Ref
	// filter is the rest of the request that decides what is listed.
	filter string
}

// mark tells listings apart within a token, without saying what they list.
func (l listing) mark() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q", l.operation, l.ref.Account, l.ref.Region, l.ref.Name, l.filter))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// position is what a token holds. Tokens are opaque to clients but no secret:
// they give nothing that the listing itself would not.
type position struct {
	Mark string `json:"l"`
	// After is the last result of the page before.
	After []string `json:"a"`
}

// token is the nextToken with which the listing goes on after a result.
func (l listing) token(after ...string) *string {
	b, err := json.Marshal(position{l.mark(), after})
	if err != nil { // strings always have a JSON form
		return nil
	}
	s := base64.RawURLEncoding.EncodeToString(b)
	return &s
}

// after reads the nextToken of a request: the result after which the listing
// goes on, as n strings, all empty when there is no token.
func (l listing) after(token *string, n int) ([]string, error) {
	if token == nil {
		return make([]string, n), nil
	}
	var p position
	b, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || json.Unmarshal(b, &p) != nil || p.Mark != l.mark() || len(p.After) != n {
		return nil, invalidParameter("NextToken", "Invalid next token provided")
	}
	return p.After, nil
}

// pageSize is the number of results that a page may hold.
func pageSize(requested *int32) int {
	if requested == nil {
		return defaultResults
	}
	return min(max(int(*requested), 1), maxResults)
}

// cut takes from results, of which one more than the page's size was asked for,
// what fits on the page, and reports whether there is more.
func cut[T any](results []T, size int) ([]T, bool) {
	if len(results) > size {
		return results[:size], true
	}
	return results, false
}
