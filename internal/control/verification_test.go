package control

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"drydock/storage"
)

// verifierFunc verifies as a test says.
type verifierFunc func(context.Context, storage.VerifyOptions) (storage.Verified, error)

func (f verifierFunc) Verify(ctx context.Context, o storage.VerifyOptions) (storage.Verified, error) {
	return f(ctx, o)
}

func (verifierFunc) VerifyStates(context.Context) ([]storage.VerifyState, error) {
	return []storage.VerifyState{{Name: "scrub"}}, nil
}

// serving serves a verifier on a socket.
func serving(t *testing.T, v Verifier) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- New(Options{Verifier: v, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return NewClient(path)
}

func ignore[T any](T) error { return nil }

func TestAVerificationIsToldWhileItGoesOn(t *testing.T) {
	heard := make(chan string)
	c := serving(t, verifierFunc(func(_ context.Context, o storage.VerifyOptions) (storage.Verified, error) {
		if !o.Deep || o.Repair || !o.Resume || o.Rate != 7 {
			t.Errorf("asked for %+v", o)
		}
		if err := o.Found(storage.Problem{Subject: "something"}); err != nil {
			return storage.Verified{}, err
		}
		if got := <-heard; got != "something" {
			t.Errorf("told of %q", got)
		}
		return storage.Verified{Problems: 1}, o.Progress(storage.Verified{Blobs: 3})
	}))
	var blobs int64
	v, err := c.Verify(t.Context(), Verification{Deep: true, Resume: true, Rate: 7}, func(p storage.Problem) error {
		heard <- p.Subject
		return nil
	}, func(v storage.Verified) error {
		blobs = v.Blobs
		return nil
	})
	if err != nil || v.Problems != 1 || blobs != 3 {
		t.Errorf("got %+v, %d, %v", v, blobs, err)
	}
	if states, err := c.Verifications(t.Context()); err != nil || len(states) != 1 || states[0].Name != "scrub" {
		t.Errorf("got %+v, %v", states, err)
	}
}

func TestAVerificationThatFailsSaysWhy(t *testing.T) {
	c := serving(t, verifierFunc(func(context.Context, storage.VerifyOptions) (storage.Verified, error) {
		return storage.Verified{}, storage.ErrNothingToResume
	}))
	_, err := c.Verify(t.Context(), Verification{}, ignore, ignore)
	if err == nil || err.Error() != storage.ErrNothingToResume.Error() {
		t.Errorf("got %v", err)
	}
}

func TestAVerificationStopsWhenItsClientGoes(t *testing.T) {
	begun, stopped := make(chan struct{}), make(chan struct{})
	c := serving(t, verifierFunc(func(ctx context.Context, _ storage.VerifyOptions) (storage.Verified, error) {
		close(begun)
		<-ctx.Done()
		close(stopped)
		return storage.Verified{}, ctx.Err()
	}))
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-begun
		stop()
	}()
	if _, err := c.Verify(ctx, Verification{}, ignore, ignore); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on with nobody to tell it to")
	}
}
