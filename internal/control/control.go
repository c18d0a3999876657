// Package control is the way in for those who run the server: a socket in the
// data folder, which only they can open, through which drydock's own commands ask
// for what the AWS APIs have no operation for. It is HTTP with JSON, and no
// interface to build on: commands and server are one program.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"drydock/auth"
	"drydock/auth/audit"
	"drydock/auth/identity"
	"drydock/auth/policy"
)

// socketFile is the socket's name in the data folder.
const socketFile = "control.sock"

// Path returns where the socket of a data folder is.
func Path(folder string) string { return filepath.Join(folder, socketFile) }

// Explainer tells how a request would be decided. *enforce.Authorizer does.
type Explainer interface {
	Explain(ctx context.Context, r auth.Request) (policy.Explanation, error)
}

// Rotator has a new key sign registry passwords. *keyring.Ring does.
type Rotator interface {
	Rotate(ctx context.Context) error
}

// Options is what a Server is made of. All is needed.
type Options struct {
	Identities *identity.Store
	Signing    Rotator
	Explainer  Explainer
	Trail      *audit.Trail
	Collection Collection
	Quotas     Quotas
	Verifier   Verifier
	Secrets    Secrets
	Webhooks   Webhooks
	Profiles   Profiles
	Upstreams  Upstreams
	// Vulnerabilities are those that images are compared with.
	Vulnerabilities Vulnerabilities
	// Region is the server's own, for requests that name none.
	Region string
	Log    *slog.Logger
}

// Server answers drydock's own commands.
type Server struct {
	o    Options
	http *http.Server
}

// New makes a server.
func New(o Options) *Server {
	s := &Server{o: o}
	mux := http.NewServeMux()
	mux.Handle("POST /accounts", endpoint(s.createAccount))
	mux.Handle("GET /accounts", endpoint(s.listAccounts))
	mux.Handle("POST /tokens/revoke", endpoint(s.revokeTokens))
	mux.Handle("POST /tokens/rotate", endpoint(s.rotateKeys))
	mux.Handle("POST /explain", endpoint(s.explain))
	mux.HandleFunc("GET /audit", s.audit)
	mux.Handle("GET /gc", endpoint(s.collectionStatus))
	mux.Handle("POST /gc/run", endpoint(s.collect))
	mux.Handle("POST /gc/explain", endpoint(s.fate))
	mux.Handle("POST /gc/undelete", endpoint(s.undelete))
	mux.HandleFunc("POST /verify", s.verify)
	mux.Handle("GET /verify", endpoint(s.verifications))
	mux.Handle("POST /quotas", endpoint(s.setQuota))
	mux.Handle("POST /quotas/remove", endpoint(s.removeQuota))
	mux.Handle("POST /quotas/list", endpoint(s.holdings))
	mux.Handle("POST /secrets", endpoint(s.putSecret))
	mux.Handle("POST /secrets/remove", endpoint(s.removeSecret))
	mux.Handle("POST /secrets/list", endpoint(s.secrets))
	mux.Handle("GET /freeze", endpoint(s.frozen))
	mux.Handle("POST /freeze", endpoint(s.freeze))
	mux.Handle("POST /signing", endpoint(s.addProfile))
	mux.Handle("POST /signing/remove", endpoint(s.removeProfile))
	mux.Handle("POST /signing/list", endpoint(s.profiles))
	mux.Handle("POST /signing/trust-store", endpoint(s.trustStore))
	mux.Handle("GET /vulndb", endpoint(s.vulnerabilities))
	mux.Handle("POST /vulndb", endpoint(s.importVulnerabilities))
	mux.Handle("POST /webhooks", endpoint(s.addWebhook))
	mux.Handle("POST /webhooks/remove", endpoint(s.removeWebhook))
	mux.Handle("POST /webhooks/list", endpoint(s.webhooks))
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)}
	return s
}

// maxSocketPath is the most that a socket's address holds (unix(7)).
const maxSocketPath = 107

// Listen opens the socket. The caller holds the data folder, so one that is there
// already was left behind.
//
// The system makes a socket that all may open whom the umask lets, and who is
// quick is in before it can be closed to them. So it is made in a folder that is
// closed, and takes its place when it is closed itself.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path %s is longer than the %d bytes that a socket's may have: choose a shorter --data", path, maxSocketPath)
	}
	// No longer than the socket's own name, however long the path is.
	folder := filepath.Join(filepath.Dir(path), newSocketFolder)
	if err := errors.Join(os.RemoveAll(folder), os.Mkdir(folder, 0o700)); err != nil {
		return nil, fmt.Errorf("make a folder to open the socket for drydock's commands in: %w", err)
	}
	defer os.RemoveAll(folder)
	made := filepath.Join(folder, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("open the socket for drydock's commands: %w", err)
	}
	l.SetUnlinkOnClose(false) // it would look for it where it was made
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("close the socket to others: %w", err), l.Close())
	}
	return &listener{l, path}, nil
}

// newSocketFolder is where a socket is before it is closed to others.
const newSocketFolder = "control.so"

// listener removes its socket when it is closed.
type listener struct {
	net.Listener
	path string
}

func (l *listener) Close() error {
	err := l.Listener.Close()
	if gone := os.Remove(l.path); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		return errors.Join(err, gone)
	}
	return err
}

// Serve answers on the socket until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve drydock's commands: %w", err)
	}
	return nil
}

// maxRequest is the most bytes of a request.
const maxRequest = 1 << 20

// endpoint is a function from a request to an answer, as HTTP.
func endpoint[I, O any](do func(context.Context, I) (O, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in I
		if r.Method == http.MethodPost {
			d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
			d.DisallowUnknownFields()
			if err := d.Decode(&in); err != nil {
				answer(w, http.StatusBadRequest, failure{fmt.Sprintf("the request cannot be read: %v", err)})
				return
			}
		}
		out, err := do(r.Context(), in)
		if err != nil {
			answer(w, http.StatusUnprocessableEntity, failure{err.Error()})
			return
		}
		answer(w, http.StatusOK, out)
	})
}

// failure is the answer to what did not work.
type failure struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A command that has gone needs no answer.
	_ = json.NewEncoder(w).Encode(v)
}

// Client asks a server.
type Client struct{ http *http.Client }

// NewClient makes a client of the server with the socket at path.
func NewClient(path string) *Client {
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}}
}

// do sends a request, whose in may be nil, and returns the body of the answer.
func (c *Client) do(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	body, w := io.Pipe()
	go func() { w.CloseWithError(json.NewEncoder(w).Encode(in)) }()
	defer body.Close()
	r, err := http.NewRequestWithContext(ctx, method, "http://drydock"+path, body)
	if err != nil {
		return nil, err
	}
	if method == http.MethodGet {
		r.Body = http.NoBody
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		var f failure
		if err := json.NewDecoder(io.LimitReader(res.Body, maxRequest)).Decode(&f); err != nil || f.Error == "" {
			return nil, fmt.Errorf("the server answered %s", res.Status)
		}
		return nil, errors.New(f.Error)
	}
	return res.Body, nil
}

// call sends a request and decodes the answer.
func call[O any](ctx context.Context, c *Client, method, path string, in any) (out O, err error) {
	body, err := c.do(ctx, method, path, in)
	if err != nil {
		return out, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return out, fmt.Errorf("read the server's answer: %w", err)
	}
	return out, nil
}
