package inside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/role"
	"drydock/storage/meta"
)

// Options is what a Server is made of. All are needed.
type Options struct {
	Place *Place
	DB    meta.DB
	// Machine is the one whose containers are answered.
	Machine machine.Machine
	Roles   *role.Roles
	IDs     IDs
	// API answers the AWS APIs.
	API http.Handler
	Log *slog.Logger
}

// Server answers the containers of one machine.
type Server struct {
	o Options

	mu  sync.Mutex
	ids map[string]*identified
}

// New makes a server. It is an error to leave anything out.
func New(o Options) (*Server, error) {
	if o.Place == nil || o.DB == nil || o.Machine == nil || o.Roles == nil || o.IDs.box == nil || o.API == nil || o.Log == nil {
		return nil, errors.New("to answer containers takes a place, a database, a machine, roles, ids, the AWS APIs and a log")
	}
	return &Server{o: o, ids: map[string]*identified{}}, nil
}

// tryAgain is how long to wait for a machine that cannot be watched.
const tryAgain = 3 * time.Second

// Run answers containers, and ends the sessions of tasks that stop, until ctx ends;
// then it lets go of the place. Where that is not held, it does the second, and tries
// now and then to get the place.
func (s *Server) Run(ctx context.Context) error {
	var all sync.WaitGroup
	serve := func() { s.serve(ctx, &all) }
	if s.o.Place.Held() == nil {
		serve()
	}
	all.Go(func() { s.keep(ctx, serve) })
	for ctx.Err() == nil {
		err := s.watch(ctx)
		if ctx.Err() != nil {
			break
		}
		s.o.Log.DebugContext(ctx, "it is not seen at the moment which tasks stop", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(tryAgain):
		}
	}
	all.Wait() // the last to open the place may be at it
	return s.o.Place.Close()
}

// serve answers at the place until ctx ends.
func (s *Server) serve(ctx context.Context, all *sync.WaitGroup) {
	for _, v := range []struct {
		on      net.Listener
		handler http.Handler
	}{{s.o.Place.metadata, s.Metadata()}, {s.o.Place.api, s.API()}} {
		h := &http.Server{Handler: v.handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
			ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug)}
		context.AfterFunc(ctx, func() {
			if err := s.o.Place.letGo(); err != nil {
				s.o.Log.WarnContext(ctx, "the address for containers stays behind", "error", err)
			}
			_ = h.Close()
		})
		all.Go(func() {
			if err := h.Serve(v.on); !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
				s.o.Log.ErrorContext(ctx, "containers are no longer answered", "address", v.on.Addr().String(), "error", err)
			}
		})
	}
}

// lookAgain is how often it is looked whether the address for containers is still
// there.
const lookAgain = 2 * time.Second

// keep keeps the address for containers on this machine, for a network that is set up
// anew may lose it; and serves there once another program has gone that had it.
func (s *Server) keep(ctx context.Context, serve func()) {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s.o.Place.retry(ctx) {
			s.o.Log.InfoContext(ctx, "containers are answered from now on", "address", s.o.Place.MetadataURL())
			serve()
		}
		if err := s.o.Place.keep(); err != nil {
			s.o.Log.WarnContext(ctx, "the address for containers cannot be kept on this machine", "error", err)
		}
	}
}

// watch ends what tasks have when they stop.
func (s *Server) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer func() {
		cancel()
		working.Wait()
	}()
	stopped := make(chan string, 64)
	working.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case arn := <-stopped:
				if err := s.end(ctx, arn); err != nil && ctx.Err() == nil {
					s.o.Log.WarnContext(ctx, "the credentials of a task that has stopped could not be ended", "task", arn, "error", err)
				}
			}
		}
	})
	told := func(st machine.State) {
		if st.Status != machine.Stopped {
			return
		}
		select {
		case stopped <- st.ARN:
		case <-ctx.Done():
		}
	}
	return s.o.Machine.Watch(ctx, func() {
		working.Go(func() {
			states, err := s.o.Machine.Tasks(ctx)
			if err != nil {
				s.o.Log.WarnContext(ctx, "it is not known which tasks have stopped", "error", err)
			}
			for _, st := range states {
				told(st)
			}
		})
	}, told)
}

// end ends the sessions of a task's role.
func (s *Server) end(ctx context.Context, arn string) error {
	t, err := s.task(ctx, arn)
	if errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.o.Roles.End(ctx, &t.Detail.Spec)
}

// Metadata answers what containers ask for about themselves.
func (s *Server) Metadata() http.Handler {
	mux := http.NewServeMux()
	for _, version := range []int{3, 4} {
		at := fmt.Sprintf("GET /v%d/{id}", version)
		mux.Handle(at, s.answer(version, s.containerMetadata))
		mux.Handle(at+"/task", s.answer(version, s.taskMetadata))
		mux.Handle(at+"/taskWithTags", s.answer(version, s.taskMetadataWithTags))
		mux.Handle(at+"/stats", s.answer(version, s.containerStats))
		mux.Handle(at+"/task/stats", s.answer(version, s.taskStats))
	}
	mux.HandleFunc("GET /v2/credentials/{id}", s.credentials)
	mux.HandleFunc("GET /api/{id}/task-protection/v1/state", s.protection)
	mux.HandleFunc("PUT /api/{id}/task-protection/v1/state", s.protection)
	return mux
}

// API is the AWS APIs for the tasks of this machine, and for the machine itself.
func (s *Server) API() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.admit(r); err != nil {
			s.o.Log.WarnContext(r.Context(), "a request for the APIs came from no task of this machine", "from", r.RemoteAddr)
			write(w, http.StatusForbidden, err.Error())
			return
		}
		s.o.API.ServeHTTP(w, r)
	})
}

// answer finds the container that asks, and answers with what is found for it.
func (s *Server) answer(version int, find func(context.Context, *caller) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.caller(r)
		if err == nil {
			c.version = version
			var v any
			if v, err = find(r.Context(), c); err == nil {
				write(w, http.StatusOK, v)
				return
			}
		}
		if errors.Is(err, errUnknown) {
			write(w, http.StatusNotFound, fmt.Sprintf("V%d metadata handler: %v", version, err))
			return
		}
		s.o.Log.WarnContext(r.Context(), "a container could not be told of itself", "path", r.Pattern, "error", err)
		write(w, http.StatusInternalServerError, "failed to get metadata")
	})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who has gone needs no answer
}
