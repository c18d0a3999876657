package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/machine/simulated"
)

const task = "arn:aws:ecs:eu-west-1:123456789012:task/default/0123456789abcdef0123456789abcdef"

// desk is a machine whose commands a test plays.
type desk struct {
	*simulated.Machine
	exec func(ctx context.Context, e machine.Exec) (int, error)
	logs func(ctx context.Context, follow bool, to io.Writer) error
}

func (d *desk) Exec(ctx context.Context, arn, container string, e machine.Exec) (int, error) {
	if arn != task || container != "app" {
		return 0, machine.ErrUnknownTask
	}
	return d.exec(ctx, e)
}

func (d *desk) Logs(ctx context.Context, _, _ string, follow bool, to io.Writer) error {
	return d.logs(ctx, follow, to)
}

// lab is a server of sessions with a desk that has the task.
type lab struct {
	*Sessions
	desk *desk
	url  string

	mu  sync.Mutex
	now time.Time
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{now: time.Date(2026, 11, 24, 4, 0, 0, 0, time.UTC)}
	l.desk = &desk{Machine: simulated.New(machine.Description{ID: "m"}, l.now, nil)}
	if err := l.desk.Start(t.Context(), machine.Task{ARN: task, Containers: []machine.Container{{Name: "app"}}}); err != nil {
		t.Fatal(err)
	}
	var err error
	l.Sessions, err = New(Options{
		Machine: func() (machine.Machine, error) { return l.desk, nil },
		Now: func() time.Time {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.now
		},
		Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(l)
	l.url = server.URL
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return l
}

func (l *lab) open(t *testing.T, r Request) Ticket {
	t.Helper()
	r.Task, r.Container = task, "app"
	ticket, err := l.Open(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func (l *lab) join(ctx context.Context, c Client, ticket Ticket) (int, error) {
	return c.Join(ctx, http.DefaultClient, l.url+Path+ticket.ID, ticket.Token)
}

func TestACommandIsSpokenWithThroughASession(t *testing.T) {
	l := newLab(t)
	l.desk.exec = func(_ context.Context, e machine.Exec) (int, error) {
		if !slices.Equal(e.Command, []string{"tr", "a b"}) || e.TTY {
			t.Errorf("%+v", e)
		}
		all, err := io.ReadAll(e.Stdin)
		if err != nil {
			return 0, err
		}
		fmt.Fprint(e.Stderr, "read ", len(all))
		_, err = e.Stdout.Write(bytes.ToUpper(all))
		return 7, err
	}
	// More than a message holds, and than the pipes on the way do.
	sent := strings.Repeat("0123456789abcde\n", 1<<14)
	var out, errOut bytes.Buffer
	code, err := l.join(t.Context(), Client{Stdin: strings.NewReader(sent), Stdout: &out, Stderr: &errOut}, l.open(t, Request{Command: []string{"tr", "a b"}}))
	if err != nil || code != 7 {
		t.Errorf("exit code %d, %v", code, err)
	}
	if out.String() != strings.ToUpper(sent) || errOut.String() != fmt.Sprint("read ", len(sent)) {
		t.Errorf("%d bytes of output, errors %q", out.Len(), errOut.String())
	}
}

func TestATerminalHasTheClientsSize(t *testing.T) {
	l := newLab(t)
	first := make(chan struct{})
	l.desk.exec = func(_ context.Context, e machine.Exec) (int, error) {
		if !e.TTY || e.Stdin != nil {
			t.Errorf("%+v", e)
		}
		fmt.Fprint(e.Stdout, <-e.Resize)
		close(first)
		fmt.Fprint(e.Stdout, <-e.Resize)
		return 0, nil
	}
	sizes := make(chan machine.Size)
	go func() {
		sizes <- machine.Size{Columns: 80, Rows: 24}
		<-first
		sizes <- machine.Size{Columns: 132, Rows: 50}
	}()
	var out bytes.Buffer
	if code, err := l.join(t.Context(), Client{Stdout: &out, TTY: true, Sizes: sizes}, l.open(t, Request{Command: []string{"sh"}})); err != nil || code != 0 {
		t.Errorf("exit code %d, %v", code, err)
	}
	if out.String() != "{80 24}{132 50}" {
		t.Errorf("%q", out.String())
	}
}

func TestWhatAContainerHasWrittenIsFollowed(t *testing.T) {
	l := newLab(t)
	l.desk.logs = func(_ context.Context, follow bool, to io.Writer) error {
		_, err := fmt.Fprintln(to, "following:", follow)
		return err
	}
	for _, follow := range []bool{false, true} {
		var out bytes.Buffer
		if code, err := l.join(t.Context(), Client{Stdout: &out}, l.open(t, Request{Follow: follow})); err != nil || code != 0 {
			t.Errorf("exit code %d, %v", code, err)
		}
		if want := fmt.Sprintln("following:", follow); out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	}
}

func TestASessionLetsInNobodyElse(t *testing.T) {
	l := newLab(t)
	l.desk.exec = func(context.Context, machine.Exec) (int, error) { return 0, nil }
	one, other := l.open(t, Request{Command: []string{"true"}}), l.open(t, Request{Command: []string{"true"}})
	refused := func(name string, ticket Ticket) {
		t.Helper()
		if _, err := l.join(t.Context(), Client{Stdout: io.Discard}, ticket); err == nil || !strings.Contains(err.Error(), "403 Forbidden: there is no such session") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	refused("without a secret", Ticket{ID: one.ID})
	refused("with another's secret", Ticket{ID: one.ID, Token: other.Token})
	refused("of no session", Ticket{ID: "x", Token: one.Token})
	if _, err := l.join(t.Context(), Client{Stdout: io.Discard}, one); err != nil {
		t.Errorf("who has the secret: %v", err)
	}
	refused("for the second time", one)
	l.mu.Lock()
	l.now = l.now.Add(goodFor + time.Second)
	l.mu.Unlock()
	refused("too late", other)
}

func TestOnlyWhatTheMachineHasIsOpened(t *testing.T) {
	l := newLab(t)
	if _, err := l.Open(t.Context(), Request{Task: task + "0"}); !errors.Is(err, machine.ErrUnknownTask) {
		t.Errorf("of another task: %v", err)
	}
	for range mostWaiting {
		l.open(t, Request{})
	}
	if _, err := l.Open(t.Context(), Request{Task: task}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
	l.mu.Lock()
	l.now = l.now.Add(goodFor + time.Second)
	l.mu.Unlock()
	l.open(t, Request{}) // those before are over
	l.desk.Away(true)
	if _, err := l.Open(t.Context(), Request{Task: task}); !errors.Is(err, machine.ErrUnavailable) {
		t.Errorf("of a machine that is away: %v", err)
	}
}

func TestTheReasonOfAFailureIsTold(t *testing.T) {
	l := newLab(t)
	l.desk.exec = func(context.Context, machine.Exec) (int, error) { return 0, errors.New("no such program") }
	if _, err := l.join(t.Context(), Client{Stdout: io.Discard}, l.open(t, Request{Command: []string{"x"}})); err == nil || err.Error() != "no such program" {
		t.Errorf("got %v", err)
	}
}

func TestACommandEndsWithItsClient(t *testing.T) {
	l := newLab(t)
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan struct{})
	l.desk.exec = func(ctx context.Context, _ machine.Exec) (int, error) {
		leave()
		<-ctx.Done()
		close(ended)
		return 0, ctx.Err()
	}
	if _, err := l.join(ctx, Client{Stdout: io.Discard}, l.open(t, Request{Command: []string{"sleep"}})); err == nil {
		t.Error("the client left, and was told that all went well")
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the command goes on without its client")
	}
}

func TestACommandEndsWithTheServerWhichSaysSo(t *testing.T) {
	l := newLab(t)
	l.desk.exec = func(ctx context.Context, _ machine.Exec) (int, error) {
		go l.Close()
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if _, err := l.join(t.Context(), Client{Stdout: io.Discard}, l.open(t, Request{Command: []string{"sleep"}})); !strings.Contains(fmt.Sprint(err), errStopped.Error()) {
		t.Errorf("got %v", err)
	}
}

func TestInputThatNobodyReadsHoldsNothingUp(t *testing.T) {
	l := newLab(t)
	l.desk.exec = func(_ context.Context, e machine.Exec) (int, error) {
		b := make([]byte, 1)
		_, err := e.Stdin.Read(b)
		return int(b[0]), err
	}
	if code, err := l.join(t.Context(), Client{Stdin: strings.NewReader(strings.Repeat("a", 1<<20)), Stdout: io.Discard}, l.open(t, Request{Command: []string{"head"}})); err != nil || code != 'a' {
		t.Errorf("exit code %d, %v", code, err)
	}
}
