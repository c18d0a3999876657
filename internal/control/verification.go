package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"drydock/storage"
)

// Verifier compares what is recorded with what is stored. *storage.Registry does.
type Verifier interface {
	Verify(ctx context.Context, o storage.VerifyOptions) (storage.Verified, error)
	VerifyStates(ctx context.Context) ([]storage.VerifyState, error)
}

// Verification says how to verify; its fields are those of storage.VerifyOptions.
type Verification struct {
	Deep   bool  `json:"deep,omitempty"`
	Repair bool  `json:"repair,omitempty"`
	Resume bool  `json:"resume,omitempty"`
	Rate   int64 `json:"rate,omitempty"`
}

// verifyLine is one of the lines of JSON that are answered: one of its fields is set.
type verifyLine struct {
	Problem  *storage.Problem  `json:"problem,omitempty"`
	Progress *storage.Verified `json:"progress,omitempty"`
	Done     *storage.Verified `json:"done,omitempty"`
	Error    string            `json:"error,omitempty"`
}

// verify verifies while the client listens. When it goes, the verification stops,
// and can be resumed.
func (s *Server) verify(w http.ResponseWriter, r *http.Request) {
	var in Verification
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		answer(w, http.StatusBadRequest, failure{fmt.Sprintf("the request cannot be read: %v", err)})
		return
	}
	// Only behind the end of the request is it noticed that the client has gone.
	if _, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxRequest)); err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines, flush := json.NewEncoder(w), http.NewResponseController(w)
	say := func(l verifyLine) error {
		if err := lines.Encode(l); err != nil {
			return err
		}
		return flush.Flush()
	}
	v, err := s.o.Verifier.Verify(r.Context(), storage.VerifyOptions{
		Deep: in.Deep, Repair: in.Repair, Resume: in.Resume, Rate: in.Rate,
		Found:    func(p storage.Problem) error { return say(verifyLine{Problem: &p}) },
		Progress: func(v storage.Verified) error { return say(verifyLine{Progress: &v}) },
	})
	last := verifyLine{Done: &v}
	if err != nil {
		last = verifyLine{Error: err.Error()}
	}
	// Who has gone needs no answer.
	_ = say(last)
}

func (s *Server) verifications(ctx context.Context, _ nothing) ([]storage.VerifyState, error) {
	return s.o.Verifier.VerifyStates(ctx)
}

// Verifications tells how far verifications have come, and what they have found.
func (c *Client) Verifications(ctx context.Context) ([]storage.VerifyState, error) {
	return call[[]storage.VerifyState](ctx, c, http.MethodGet, "/verify", nil)
}

// Verify has the server verify, and tells of each problem and now and then how far
// it is. An error that either returns ends it.
func (c *Client) Verify(ctx context.Context, in Verification, found func(storage.Problem) error, progress func(storage.Verified) error) (storage.Verified, error) {
	body, err := c.do(ctx, http.MethodPost, "/verify", in)
	if err != nil {
		return storage.Verified{}, err
	}
	defer body.Close()
	for d := json.NewDecoder(body); ; {
		var l verifyLine
		err := d.Decode(&l)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return storage.Verified{}, errors.New("the server stopped before all was verified: drydock verify --resume goes on")
		case err != nil:
			return storage.Verified{}, fmt.Errorf("read the server's answer: %w", err)
		case l.Error != "":
			return storage.Verified{}, errors.New(l.Error)
		case l.Done != nil:
			return *l.Done, nil
		case l.Problem != nil:
			err = found(*l.Problem)
		case l.Progress != nil:
			err = progress(*l.Progress)
		}
		if err != nil {
			return storage.Verified{}, err
		}
	}
}
