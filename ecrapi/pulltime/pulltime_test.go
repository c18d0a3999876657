package pulltime

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/auth"
	"drydock/storage"
)

// engine remembers what is recorded, and fails when told to.
type engine struct {
	excluded []string
	recorded []storage.Pull
	fails    error
}

func (e *engine) RecordPulls(_ context.Context, pulls []storage.Pull) error {
	if e.fails != nil {
		return e.fails
	}
	e.recorded = append(e.recorded, pulls...)
	return nil
}

func (e *engine) Settings(_ context.Context, of storage.Scope, kind string, _ storage.SettingKey, limit int) ([]storage.Setting, error) {
	var set []storage.Setting
	for _, x := range e.excluded {
		set = append(set, storage.Setting{SettingKey: storage.SettingKey{Ref: storage.Ref{Scope: of}, Kind: kind, Key: x}})
	}
	return set[:min(len(set), limit)], nil
}

var (
	ref   = storage.Ref{Scope: storage.Scope{Account: "123456789012", Region: "eu-west-1"}, Name: "app"}
	image = digest.FromString("image")
)

func by(arn string) auth.Principal { return auth.Principal{ARN: "arn:aws:" + arn} }

func newRecorder(t *testing.T, e Engine) (*Recorder, *time.Time) {
	t.Helper()
	now := time.Unix(1000, 0)
	r, err := New(e, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r, &now
}

func TestPullsByTheExcludedDoNotCount(t *testing.T) {
	e := &engine{excluded: []string{
		"arn:aws:iam::123456789012:role/service/scanner", "arn:aws:iam::123456789012:user/robot",
	}}
	for who, counts := range map[string]bool{
		"iam::123456789012:user/robot":                     false,
		"sts::123456789012:assumed-role/scanner/session-1": false,
		"iam::123456789012:user/scanner":                   true,
		"iam::210987654321:user/robot":                     true,
		"sts::210987654321:assumed-role/scanner/session-1": true,
		"sts::123456789012:assumed-role/robot/session-1":   true,
		"iam::123456789012:root":                           true,
	} {
		e.recorded = nil
		r, _ := newRecorder(t, e)
		r.Pulled(ref, image, by(who))
		if err := r.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(e.recorded) == 1; got != counts {
			t.Errorf("a pull by %s counts: %t", who, got)
		}
	}
}

func TestWhatCannotBeWrittenWaits(t *testing.T) {
	e := &engine{fails: errors.New("the disk is full")}
	r, now := newRecorder(t, e)
	r.Pulled(ref, image, by("iam::123456789012:root"))
	if err := r.Write(t.Context()); !errors.Is(err, e.fails) {
		t.Fatal(err)
	}
	first := *now
	e.fails = nil
	if err := r.Write(t.Context()); err != nil || len(e.recorded) != 1 || !e.recorded[0].At.Equal(first) {
		t.Fatalf("%v, %v", e.recorded, err)
	}
	if err := r.Write(t.Context()); err != nil || len(e.recorded) != 1 {
		t.Errorf("it is written again: %v, %v", e.recorded, err)
	}
}

func TestOfManyPullsOfAnImageTheLastIsWritten(t *testing.T) {
	e := &engine{}
	r, now := newRecorder(t, e)
	for range 1000 {
		*now = now.Add(time.Second)
		r.Pulled(ref, image, by("iam::123456789012:root"))
	}
	if err := r.Write(t.Context()); err != nil || len(e.recorded) != 1 || !e.recorded[0].At.Equal(*now) {
		t.Errorf("%v, %v", e.recorded, err)
	}
}

func TestWhatIsGatheredIsWrittenAtTheEnd(t *testing.T) {
	e := &engine{}
	r, _ := newRecorder(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	r.Pulled(ref, image, by("iam::123456789012:root"))
	cancel()
	if err := r.Run(ctx); err != nil || len(e.recorded) != 1 {
		t.Errorf("%v, %v", e.recorded, err)
	}
}

func TestARecorderNeedsItsParts(t *testing.T) {
	if _, err := New(nil, nil, nil); err == nil {
		t.Error("made of nothing")
	}
}
