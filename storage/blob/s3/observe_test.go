package s3

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"drydock/storage/blob/s3/s3test"
)

func TestEveryAttemptIsTold(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	for name, c := range map[string]struct {
		spoil func(attempt int, r *http.Request) (*http.Response, error)
		want  []Result
	}{
		"one that goes well": {nil, []Result{Answered}},
		"one that fails, and is tried again": {func(n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				return answer(r, 503, "SlowDown"), nil
			}
			return nil, nil
		}, []Result{Failed, Answered}},
		"one that is cut, then hangs, and is tried again": {func(n int, r *http.Request) (*http.Response, error) {
			switch n {
			case 1:
				return nil, errCut
			case 2:
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return nil, nil
		}, []Result{Broken, Silent, Answered}},
		"one that is refused": {func(n int, r *http.Request) (*http.Response, error) {
			return answer(r, 403, "AccessDenied"), nil
		}, []Result{Refused}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, s)
			o.answer = time.Second
			var mu sync.Mutex
			var told []Attempt
			o.Observe = func(a Attempt) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, a)
			}
			sent := 0
			o.Wrap = func(next Doer) Doer {
				return doer(func(r *http.Request) (*http.Response, error) {
					if sent++; c.spoil != nil {
						if resp, err := c.spoil(sent, r); resp != nil || err != nil {
							if r.Body != nil {
								r.Body.Close()
							}
							return resp, err
						}
					}
					return next.Do(r)
				})
			}
			err := open(t, o).PutContent(t.Context(), "/observed", []byte("hello"))
			if last := c.want[len(c.want)-1]; (err == nil) != (last == Answered) {
				t.Error(err)
			}
			var got []Result
			for i, a := range told {
				got = append(got, a.Result)
				if a.Operation != "PutObject" || a.Number != i+1 || a.Took <= 0 {
					t.Errorf("attempt %d is told as %+v", i+1, a)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("told %v, want %v", got, c.want)
			}
		})
	}
}

func TestWhoGivesUpIsToldAsSuch(t *testing.T) {
	t.Parallel()
	o := options(t, s3test.Start(t))
	var told []Result
	o.Observe = func(a Attempt) { told = append(told, a.Result) }
	ctx, cancel := context.WithCancel(t.Context())
	o.Wrap = func(Doer) Doer {
		return doer(func(r *http.Request) (*http.Response, error) {
			cancel() // amid the attempt, however slow the machine is
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
	}
	if err := open(t, o).PutContent(ctx, "/f", []byte("hello")); err == nil {
		t.Error("nothing was answered, and all was well")
	}
	if !slices.Equal(told, []Result{GivenUp}) {
		t.Errorf("told %v", told)
	}
}

func TestAFileThatIsNotThereIsNoFailure(t *testing.T) {
	t.Parallel()
	o := options(t, s3test.Start(t))
	var told []Result
	o.Observe = func(a Attempt) { told = append(told, a.Result) }
	if _, err := open(t, o).GetContent(t.Context(), "/none"); err == nil {
		t.Error("there is a file that nobody wrote")
	}
	if !slices.Equal(told, []Result{NotFound}) {
		t.Errorf("told %v", told)
	}
}
