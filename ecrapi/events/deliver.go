package events

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"drydock/internal/jobs"
	"drydock/storage"
)

// patience is for how long an event is tried to be delivered, as by EventBridge.
const patience = 24 * time.Hour

// Worker delivers events.
func (w *Webhooks) Worker() jobs.Worker {
	client := &http.Client{
		Timeout: 15 * time.Second,
		// Where a webhook is, is for those who run the server to say, not for who answers.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return jobs.Worker{AtOnce: 8, Timeout: 20 * time.Second, MaxDelay: 15 * time.Minute, Do: func(ctx context.Context, j jobs.Job) error {
		return w.deliver(ctx, client, j)
	}}
}

// deliver sends one event to one webhook. What was taken is answered with 2xx; 410
// says that no more is wanted, and all else is tried again.
func (w *Webhooks) deliver(ctx context.Context, client *http.Client, j jobs.Job) error {
	var d delivery
	if err := json.Unmarshal([]byte(j.Document), &d); err != nil {
		return jobs.GiveUp(fmt.Errorf("read an event: %w", err))
	}
	of := storage.Scope{Account: d.Event.Account, Region: d.Event.Region}
	s, err := w.o.Engine.Setting(ctx, setting(of, d.Webhook))
	var gone *storage.SettingUnknownError
	if errors.As(err, &gone) {
		return nil // nobody wants it any more
	}
	if err != nil {
		return err
	}
	h, err := read(s)
	if err != nil {
		return jobs.GiveUp(err)
	}
	err = w.send(ctx, client, of, s.Key, h, d.Event)
	if err != nil && w.o.Now().Sub(j.Ordered) > patience {
		return jobs.GiveUp(fmt.Errorf("an event could not be delivered for %s: %w", patience, err))
	}
	return err
}

func (w *Webhooks) send(ctx context.Context, client *http.Client, of storage.Scope, id string, h hook, e Event) error {
	key, err := w.o.Box.Open(h.Secret, place(of, id))
	if err != nil {
		return fmt.Errorf("open the secret of webhook %s: %w", id, err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return jobs.GiveUp(fmt.Errorf("write an event: %w", err))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return jobs.GiveUp(fmt.Errorf("make a request to webhook %s: %w", id, err))
	}
	at := strconv.FormatInt(w.o.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "drydock")
	req.Header.Set("Webhook-Id", e.ID)
	req.Header.Set("Webhook-Timestamp", at)
	req.Header.Set("Webhook-Signature", sign(key, e.ID, at, body))
	answer, err := client.Do(req)
	if err != nil {
		// Without the address, which may have a secret in it.
		var told *url.Error
		if errors.As(err, &told) {
			err = told.Err
		}
		return fmt.Errorf("send an event to webhook %s: %w", id, err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection serves again
	switch {
	case answer.StatusCode/100 == 2:
		return nil
	case answer.StatusCode == http.StatusGone:
		return jobs.GiveUp(fmt.Errorf("webhook %s answered that it is gone", id))
	}
	return fmt.Errorf("webhook %s answered %s", id, answer.Status)
}

// sign is the signature of a body, by which the one who gets it knows that it comes
// from who has the secret, and when it was sent.
func sign(key []byte, id, at string, body []byte) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "." + at + "."))
	m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}
