package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// audit streams records of decisions, a line of JSON each: the last ones, and
// with follow those to come.
func (s *Server) audit(w http.ResponseWriter, r *http.Request) {
	last, err := strconv.Atoi(r.URL.Query().Get("last"))
	if err != nil || last < 0 {
		answer(w, http.StatusBadRequest, failure{"last has to be a number"})
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	if r.URL.Query().Get("follow") == "" {
		for _, e := range s.o.Trail.Last(last) {
			if lines.Encode(e.Record()) != nil {
				return // whoever asked has gone
			}
		}
		return
	}
	before, f := s.o.Trail.Follow(last)
	defer f.Close()
	for _, e := range before {
		if lines.Encode(e.Record()) != nil {
			return
		}
	}
	flush := http.NewResponseController(w)
	for {
		if flush.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case e := <-f.Entries():
			if lines.Encode(e.Record()) != nil {
				return
			}
		}
	}
}

// Audit copies records of decisions to w, a line of JSON each: the last ones, and
// with follow those to come, until ctx ends.
func (c *Client) Audit(ctx context.Context, w io.Writer, last int, follow bool) error {
	path := "/audit?last=" + strconv.Itoa(last)
	if follow {
		path += "&follow=1"
	}
	body, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(w, body); err != nil && ctx.Err() == nil {
		return fmt.Errorf("read the records: %w", err)
	}
	return nil
}
