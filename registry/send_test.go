package registry

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// sendingContent sends itself, and notes how much of it.
type sendingContent struct {
	*bytes.Reader
	sent  int64
	plain bool // it was sent to what may take it over
}

func (c *sendingContent) Close() error { return nil }

func (c *sendingContent) Send(w io.Writer, n int64) (int64, error) {
	_, c.plain = w.(io.ReaderFrom)
	n, err := io.CopyN(w, c.Reader, n)
	c.sent += n
	return n, err
}

func TestContentThatSendsItselfIsAnsweredAsAnyOther(t *testing.T) {
	whole := bytes.Repeat([]byte("0123456789abcdef"), 10000)
	for name, c := range map[string]struct {
		method, header string
		status         int
		want           []byte
		sent           bool
	}{
		"all of it":      {"GET", "", 200, whole, true},
		"a range":        {"GET", "bytes=5-99999", 206, whole[5:100000], true},
		"the end":        {"GET", "bytes=-7", 206, whole[len(whole)-7:], true},
		"its head":       {"HEAD", "", 200, nil, false},
		"several ranges": {"GET", "bytes=0-1,4-5", 206, nil, false},
	} {
		for _, secure := range []bool{false, true} {
			content := &sendingContent{Reader: bytes.NewReader(whole)}
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				x := &exchange{w: w, http: r}
				w.Header().Set("Content-Type", "application/octet-stream")
				http.ServeContent(x.sending(content), r, "", time.Time{}, content)
			}))
			if secure {
				server.StartTLS()
			} else {
				server.Start()
			}
			r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.header != "" {
				r.Header.Set("Range", c.header)
			}
			resp, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			server.Close()
			if err != nil || resp.StatusCode != c.status || c.want != nil && !bytes.Equal(got, c.want) {
				t.Errorf("%s, over TLS %v: %d with %d bytes, want %d with %d: %v", name, secure, resp.StatusCode, len(got), c.status, len(c.want), err)
			}
			if c.sent && (content.sent != int64(len(c.want)) || content.plain == secure) || !c.sent && content.sent != 0 {
				t.Errorf("%s, over TLS %v: it sent %d bytes itself, for others to take over: %v", name, secure, content.sent, content.plain)
			}
		}
	}
}
