package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// running is a server under test whose handler holds every request until it is
// let go.
type running struct {
	url      string
	stop     context.CancelFunc
	hurry    chan struct{}
	begun    chan struct{}
	letGo    chan struct{}
	ended    chan error
	draining atomic.Int32
	log      bytes.Buffer
}

func run(t *testing.T, grace time.Duration) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{
		url: "http://" + l.Addr().String(), stop: cancel, hurry: make(chan struct{}),
		begun: make(chan struct{}, 1), letGo: make(chan struct{}), ended: make(chan error, 1),
	}
	handler := func(w http.ResponseWriter, req *http.Request) {
		r.begun <- struct{}{}
		select {
		case <-r.letGo:
			io.WriteString(w, "whole")
		case <-req.Context().Done():
		}
	}
	go func() {
		r.ended <- Run(ctx, Options{
			Listeners: []net.Listener{l}, Handler: http.HandlerFunc(handler), Hurry: r.hurry, Grace: grace,
			Draining: func() { r.draining.Add(1) }, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		})
	}()
	t.Cleanup(cancel)
	return r
}

// get asks in the background and returns where the outcome will be.
func (r *running) get() <-chan string {
	outcome := make(chan string, 1)
	go func() {
		answer, err := http.Get(r.url)
		if err != nil {
			outcome <- "cut off"
			return
		}
		defer answer.Body.Close()
		b, _ := io.ReadAll(answer.Body)
		outcome <- string(b)
	}()
	return outcome
}

func (r *running) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the server does not end")
		return nil
	}
}

func TestWhatIsUnderWayIsFinishedAndNothingNewIsBegun(t *testing.T) {
	r := run(t, time.Minute)
	outcome := r.get()
	<-r.begun
	r.stop()
	for deadline := time.Now().Add(5 * time.Second); r.draining.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server was not told that it drains")
		}
	}
	if got := <-r.get(); got != "cut off" {
		t.Errorf("a new request was answered %q", got)
	}
	select {
	case err := <-r.ended:
		t.Fatalf("the server ended (%v) with a request under way", err)
	case got := <-outcome:
		t.Fatalf("the request ended early: %s", got)
	case <-time.After(50 * time.Millisecond):
	}
	close(r.letGo)
	if got := <-outcome; got != "whole" {
		t.Errorf("the request under way was %s", got)
	}
	if err := r.end(t); err != nil {
		t.Errorf("an orderly stop ended in %v", err)
	}
	if n := r.draining.Load(); n != 1 {
		t.Errorf("told %d times", n)
	}
}

func TestTheWaitIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		grace time.Duration
		hurry bool
	}{
		"by the grace":          {50 * time.Millisecond, false},
		"by whoever is hurried": {time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, c.grace)
			outcome := r.get()
			<-r.begun
			r.stop()
			if c.hurry {
				close(r.hurry)
			}
			if err := r.end(t); err != nil {
				t.Error(err)
			}
			if got := <-outcome; got != "cut off" {
				t.Errorf("the request got %q", got)
			}
			if !strings.Contains(r.log.String(), "cut off") {
				t.Errorf("nobody was told: %s", &r.log)
			}
		})
	}
}

type brokenListener struct{ net.Listener }

func (brokenListener) Accept() (net.Conn, error) { return nil, errors.New("broken") }

func TestAListenerThatFailsEndsTheServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	err = Run(context.Background(), Options{
		Listeners: []net.Listener{brokenListener{l}}, Handler: http.NotFoundHandler(), Draining: func() {},
		Grace: time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v", err)
	}
}

func TestProfiles(t *testing.T) {
	for path, want := range map[string]int{"/debug/pprof/": 200, "/debug/pprof/heap": 200, "/debug/pprof/cmdline": 200, "/": 404} {
		w := httptest.NewRecorder()
		Profiles().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}
