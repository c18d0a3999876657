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
	b.answers, b.doubts = map[string]int{}, map[string]int{}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host },
		Transport:      &next{b, &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: patience, DisableCompression: true}},
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0),
		ModifyResponse: b.note,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if !errors.Is(err, context.Canceled) {
				b.count(fmt.Sprintf("balancer: %s: 502", kind(r)))
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

func (b *balancer) next() (server *url.URL, all int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn++
	return b.servers[b.turn%len(b.servers)], len(b.servers)
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

// next is a RoundTripper that asks one server after the other.
type next struct {
	b  *balancer
	to http.RoundTripper
}

func (n *next) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	for tried := 0; ; {
		server, all := n.b.next()
		r.URL.Scheme, r.URL.Host = server.Scheme, server.Host
		if body != nil {
			r.Body = io.NopCloser(body) // a request that could not be sent closes it
		}
		answer, err := n.to.RoundTrip(r)
		var unreachable *net.OpError
		if tried++; tried < all && errors.As(err, &unreachable) && unreachable.Op == "dial" {
			continue
		}
		return answer, err
	}
}
