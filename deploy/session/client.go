package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"drydock/deploy/machine"
)

// Client is somebody's end of a session.
type Client struct {
	// Stdin may be nil.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// TTY asks for a terminal, of which Sizes tells the sizes; Sizes may be nil.
	TTY   bool
	Sizes <-chan machine.Size
}

// Join joins the session at a URL, http: or https:, with its token, and returns the
// command's exit code. Errors: that there is no such session, in the server's words;
// that it broke off; why the server could not carry it out.
func (c Client) Join(ctx context.Context, h *http.Client, url, token string) (code int, err error) {
	conn, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: h, HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		return 0, refusal(answer, err)
	}
	defer func() { _ = conn.CloseNow() }() // it is closed already where all went well
	s := newStream(conn)
	if err := s.tell(ctx, kindStart, start{TTY: c.TTY, Input: c.Stdin != nil}); err != nil {
		return 0, fmt.Errorf("start the session: %w", err)
	}
	if c.Stdin != nil {
		go c.feed(ctx, s)
	}
	if c.Sizes != nil {
		go c.resize(ctx, s)
	}
	return c.listen(ctx, s)
}

// refusal makes an error of an answer that lets nobody in.
func refusal(answer *http.Response, err error) error {
	if answer == nil || answer.Body == nil {
		return fmt.Errorf("join the session: %w", err)
	}
	said, readErr := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if text := strings.TrimSpace(string(said)); readErr == nil && text != "" {
		err = errors.New(text)
	}
	return fmt.Errorf("join the session: %s: %w", answer.Status, err)
}

// feed sends standard input. It ends with the connection, or stays behind with a
// terminal that nobody types at.
func (c Client) feed(ctx context.Context, s stream) {
	_, err := io.CopyBuffer(writer{ctx, s, kindInput}, struct{ io.Reader }{c.Stdin}, make([]byte, chunk))
	if err == nil {
		_ = s.send(ctx, kindEOF, nil) // the connection's end is told elsewhere
	}
}

func (c Client) resize(ctx context.Context, s stream) {
	for size := range c.Sizes {
		if s.tell(ctx, kindSize, size) != nil {
			return
		}
	}
}

func (c Client) listen(ctx context.Context, s stream) (int, error) {
	for {
		k, b, err := s.receive(ctx)
		if err != nil {
			return 0, fmt.Errorf("the session broke off: %w", err)
		}
		switch k {
		case kindOutput:
			_, err = c.Stdout.Write(b)
		case kindError:
			_, err = c.Stderr.Write(b)
		case kindExit:
			var end exit
			if json.Unmarshal(b, &end) != nil {
				return 0, errOther
			}
			if end.Error != "" {
				return 0, errors.New(end.Error)
			}
			_ = s.Close(websocket.StatusNormalClosure, "") // all has been said
			return end.Code, nil
		}
		if err != nil {
			return 0, fmt.Errorf("write what the command writes: %w", err)
		}
	}
}
