// Package inside is what a container of a task finds at 169.254.170.2, as Amazon's
// agent answers there: metadata of the task and its containers (versions 3 and 4),
// their statistics, the credentials of the task's role, and the protection of the
// task. On another port of that address are the AWS APIs themselves, for the tasks of
// this machine alone, so that an SDK in a container works without being told more.
//
// The address is put on this machine's loopback device, so that a request for it
// never leaves the machine: what a container sends to its gateway is then for the
// machine itself.
//
// Source: Amazon ECS Developer Guide, "Amazon ECS task metadata endpoint version 4",
// "Task IAM role", "Amazon ECS task scale-in protection endpoint".
package inside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// Address is where containers look, and MetadataPort and APIPort are the ports at
// which they find metadata and the AWS APIs. The first two are fixed in AWS's
// programs.
const (
	Address      = "169.254.170.2"
	MetadataPort = 80
	APIPort      = 51680
)

// PlaceOptions is where a Place is to be. The zero value is the usual place.
type PlaceOptions struct {
	// Address replaces the constant, and may be a loopback address; then ports that
	// are 0 are chosen by the system.
	Address               netip.Addr
	MetadataPort, APIPort int
}

// Place is an address for containers, or the reason why there is none.
type Place struct {
	o PlaceOptions

	mu            sync.Mutex
	metadata, api net.Listener
	why           error
	// held is set while the address is on this machine for this server, and ours
	// when it is to be taken away at the end.
	held, ours bool
}

// errNoPermission is why there is no address where the server may not make one.
var errNoPermission = errors.New("the server is not allowed to: it has to run as root, or with the capabilities cap_net_admin and cap_net_bind_service")

// Open puts the address on this machine and listens there. That it may not, or that
// another program is there, is no error but what Held tells.
func Open(ctx context.Context, o PlaceOptions) *Place {
	if !o.Address.IsValid() {
		o.Address = netip.MustParseAddr(Address)
		o.MetadataPort, o.APIPort = MetadataPort, APIPort
	}
	p := &Place{o: o}
	if p.why = p.open(ctx, o); p.why != nil {
		_ = p.Close() // what went wrong before matters more
		if errors.Is(p.why, os.ErrPermission) {
			p.why = errNoPermission
		}
		p.why = fmt.Errorf("the address %s, at which containers find their credentials, could not be opened on this machine: %w", o.Address, p.why)
	}
	return p
}

func (p *Place) open(ctx context.Context, o PlaceOptions) (err error) {
	ours := false
	if !o.Address.IsLoopback() {
		// Whose the address is, is decided by whose the ports are: until they are
		// open, it is only taken away again by whoever has put it there.
		p.held = true
		if ours, p.ours, err = hold(o.Address); err != nil {
			return err
		}
	}
	for _, l := range []struct {
		into *net.Listener
		port int
	}{{&p.metadata, o.MetadataPort}, {&p.api, o.APIPort}} {
		*l.into, err = new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(o.Address.String(), strconv.Itoa(l.port)))
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("another program listens on its port %d, which may be Amazon's agent or another drydock", l.port)
		}
		if err != nil {
			return err
		}
	}
	p.ours = ours
	return nil
}

// retry opens a place that could not be opened before, and reports whether it can be
// used from now on.
func (p *Place) retry(ctx context.Context) bool {
	if p.Held() == nil {
		return false
	}
	n := Open(ctx, p.o)
	if n.why != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.metadata, p.api, p.held, p.ours, p.why = n.metadata, n.api, n.held, n.ours, nil
	return true
}

// keep puts the address back on this machine, if somebody has taken it away.
func (p *Place) keep() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.held {
		return nil
	}
	_, added, err := hold(p.o.Address)
	p.ours = p.ours || added
	return err
}

// letGo takes the address from this machine, if this server has put it there. That is
// done before the ports are closed, so that a server which comes after this one finds
// them taken, or an address that nobody takes away any more.
func (p *Place) letGo() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	away := p.held && p.ours
	p.held = false
	if !away {
		return nil
	}
	return letGo(p.o.Address)
}

// Held is nil where containers can be answered, and else says why not.
func (p *Place) Held() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// MetadataURL and APIURL are where containers find metadata and the AWS APIs, without
// a slash at the end; empty where they cannot be answered.
func (p *Place) MetadataURL() string { return p.url(&p.metadata) }

// APIURL is told of at MetadataURL.
func (p *Place) APIURL() string { return p.url(&p.api) }

func (p *Place) url(of *net.Listener) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why != nil {
		return ""
	}
	a := (*of).Addr().String()
	if host, port, err := net.SplitHostPort(a); err == nil && port == "80" {
		a = host
	}
	return "http://" + a
}

// Close lets go of the address. Whoever is still served is cut off.
func (p *Place) Close() error {
	errs := []error{p.letGo()}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range []net.Listener{p.metadata, p.api} {
		if l == nil {
			continue
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
