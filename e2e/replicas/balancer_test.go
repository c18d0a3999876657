package replicas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long the balancer waits for a server's answer once the request is
// sent.
const patience = 5 * time.Second

// balancer sends each request to the next server, whatever became of the one before.
// It is plain: the next one is tried where none listens, as all balancers do, and a
// request that was sent is never sent again.
type balancer struct {
	t       testing.TB
	address string

	mu      sync.Mutex
	servers []*url.URL
	turn    int
	// answers counts answers of servers that are errors, and what the balancer said
	// for them, by what was asked.
	answers map[string]int
	// faults are answers that no server may ever give.
	faults []string
	// doubts counts, by path, the PUTs of which nobody knows whether a server has
	// carried them out, or still will.
	doubts map[string]int
}

func (b *balancer) start(t testing.TB) {
	b.t = t
	b.answers, b.doubts = map[string]int{}, map[string]int{}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host },
		Transport:      &asker{b, &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: patience, DisableCompression: true}},
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0),
		ModifyResponse: b.note,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if !errors.Is(err, context.Canceled) {
				b.count(fmt.Sprintf("balancer: %s: 502", kind(r)))
				b.t.Logf("%s %s: %v", r.Method, r.URL.Path, err)
			}
			b.doubt(r)
			http.Error(w, "502 Bad Gateway", http.StatusBadGateway)
		},
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	b.address = strings.TrimPrefix(s.URL, "http://")
}

// host is the name that clients on this machine use, with the port.
func (b *balancer) host() string {
	_, port, _ := net.SplitHostPort(b.address)
	return net.JoinHostPort("localhost", port)
}

func (b *balancer) add(server string) {
	u, err := url.Parse(server)
	if err != nil {
		panic(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.servers = append(b.servers, u)
}

// order is all servers, beginning with the one whose turn it is.
func (b *balancer) order() []*url.URL {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn = (b.turn + 1) % len(b.servers)
	return slices.Concat(b.servers[b.turn:], b.servers[:b.turn])
}

func (b *balancer) count(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[what]++
}

func (b *balancer) doubt(r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Method == http.MethodPut {
		b.doubts[r.URL.Path]++
	}
}

// note counts errors. That a server is stopping, or has lost its database, is no
// fault of its; that it does not know what to say is.
func (b *balancer) note(r *http.Response) error {
	if r.StatusCode < 400 || r.StatusCode == http.StatusUnauthorized {
		return nil
	}
	b.count(fmt.Sprintf("%s: %d", kind(r.Request), r.StatusCode))
	if r.StatusCode != http.StatusInternalServerError && r.StatusCode != http.StatusForbidden {
		return nil
	}
	body, _ := io.ReadAll(r.Body) // an error is short
	r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, fmt.Sprintf("%s %s: %d %s", r.Request.Method, r.Request.URL.Path, r.StatusCode, body))
	return nil
}

// kind is what a request asks for, without names.
func kind(r *http.Request) string {
	for _, part := range []string{"/blobs/uploads/", "/blobs/", "/manifests/", "/tags/"} {
		if strings.Contains(r.URL.Path, part) {
			return r.Method + " " + part
		}
	}
	return r.Method + " " + r.URL.Path
}

// asker is a RoundTripper that asks the server whose turn it is, or else the next.
type asker struct {
	b  *balancer
	to http.RoundTripper
}

func (a *asker) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	body := r.Body
	for _, server := range a.b.order() {
		r.URL.Scheme, r.URL.Host = server.Scheme, server.Host
		if body != nil {
			r.Body = io.NopCloser(body) // a request that could not be sent closes it
		}
		answer, err = a.to.RoundTrip(r)
		var unreachable *net.OpError
		if !errors.As(err, &unreachable) || unreachable.Op != "dial" {
			break
		}
	}
	return answer, err
}
