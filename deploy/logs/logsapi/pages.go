package logsapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"drydock/deploy/logs"
)

// listing identifies a list that is read page by page: by the operation and all of the
// request that decides what is listed. A token is good for its listing only.
type listing struct {
	scope     logs.Scope
	operation string
	filter    []any
}

func (l listing) mark() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %#v", l.operation, l.scope.Account, l.scope.Region, l.filter))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// token is the nextToken with which a listing goes on after a place.
func token[T any](l listing, place T) *string {
	b, err := json.Marshal(bookmark[T]{l.mark(), place})
	if err != nil { // strings and numbers always have a JSON form
		return nil
	}
	return to(base64.RawURLEncoding.EncodeToString(b))
}

type bookmark[T any] struct {
	Mark  string `json:"l"`
	Place T      `json:"p"`
}

// place is where a token says that a listing goes on; without one it is as given.
func place[T any](l listing, token *string, begin T) (T, error) {
	if token == nil {
		return begin, nil
	}
	var at bookmark[T]
	b, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || json.Unmarshal(b, &at) != nil || at.Mark != l.mark() {
		return begin, invalidParameter("The specified nextToken is invalid.")
	}
	return at.Place, nil
}

// cut takes from results, of which one more than the page's size was asked for, what
// fits on the page, and reports whether there is more.
func cut[T any](results []T, size int) ([]T, bool) {
	if len(results) > size {
		return results[:size], true
	}
	return results, false
}
