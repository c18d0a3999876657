package transcript

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// upstreams are stock registries that scripts start and end, by the folders of the
// scripts.
type upstreams struct {
	binary string

	mu      sync.Mutex
	running map[string]*exec.Cmd
}

// Upstream is the command "upstream start", which sets $UPSTREAM to the address of an
// empty registry, and "upstream stop", of a binary of stock distribution.
func Upstream(binary string) func(*testscript.TestScript, bool, []string) {
	u := &upstreams{binary: binary, running: map[string]*exec.Cmd{}}
	return u.command
}

func (u *upstreams) command(ts *testscript.TestScript, neg bool, args []string) {
	switch work := ts.Getenv("WORK"); {
	case neg || len(args) != 1:
		ts.Fatalf("usage: upstream start|stop")
	case args[0] == "stop":
		u.stop(work)
	default:
		address, err := freeAddress()
		ts.Check(err)
		config := filepath.Join(work, "upstream.yml")
		ts.Check(os.WriteFile(config, fmt.Appendf(nil, "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n",
			filepath.Join(work, "upstream"), address), 0o600))
		c := exec.Command(u.binary, "serve", config)
		c.Env = []string{"OTEL_TRACES_EXPORTER=none"}
		ts.Check(c.Start())
		u.mu.Lock()
		u.running[work] = c
		u.mu.Unlock()
		ts.Defer(func() { u.stop(work) })
		ts.Setenv("UPSTREAM", address)
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			answer, err := http.Get("http://" + address + "/v2/")
			if err == nil {
				ts.Check(answer.Body.Close())
				return
			}
			if time.Now().After(end) {
				ts.Check(err)
			}
		}
	}
}

// stop kills a registry, if it runs.
func (u *upstreams) stop(work string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if c := u.running[work]; c != nil {
		_ = c.Process.Kill()
		_ = c.Wait()
		delete(u.running, work)
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
