package deploy

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"drydock/deploy/record"
)

// mostResults is how many results ECS puts on a page.
const mostResults = 100

// listing identifies a list that is read page by page: by the operation and all of
// the request that decides what is listed. A token is good for its listing only.
type listing struct {
	scope     record.Scope
	operation string
	filter    []string
}

func (l listing) mark() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", l.operation, l.scope.Account, l.scope.Region, l.filter))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

type position struct {
	Mark  string `json:"l"`
	After string `json:"a"`
}

// token is the nextToken with which the listing goes on after a result.
func (l listing) token(after string) *string {
	b, err := json.Marshal(position{l.mark(), after})
	if err != nil { // strings always have a JSON form
		return nil
	}
	return to(base64.RawURLEncoding.EncodeToString(b))
}

// page reads which part of the listing a request is for, and asks for one result
// more than it holds, which tells whether there is another page.
func (l listing) page(token *string, size *int32) (p record.Page, err error) {
	p.Limit = mostResults + 1
	if n := deref(size); n != 0 {
		if n < 1 || n > mostResults {
			return p, invalidParameter("maxResults must be between 1 and %d", mostResults)
		}
		p.Limit = int(n) + 1
	}
	if deref(token) == "" {
		return p, nil
	}
	var at position
	b, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || json.Unmarshal(b, &at) != nil || at.Mark != l.mark() {
		return p, invalidParameter("Invalid token %s", *token)
	}
	p.After = at.After
	return p, nil
}

// cut takes from results what fits on the page, and makes the token of the next.
func cut[T any](l listing, p record.Page, results []T, key func(T) string) ([]T, *string) {
	if len(results) < p.Limit {
		return results, nil
	}
	results = results[:p.Limit-1]
	return results, l.token(key(results[len(results)-1]))
}
