package docker

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"drydock/deploy/machine"
)

// Ports of the machine that ranges are taken from: the kernel's own. Docker takes
// single ones from the lower end, so these are taken from the upper.
// Source: Linux, Documentation/networking/ip-sysctl, ip_local_port_range.
const firstDynamic, lastDynamic = 32768, 60999

// reservation is a range of ports of the machine that a task was given.
type reservation struct {
	first, last int
	protocol    string
	task        string
}

// expose asks for the ports of a mapping.
func (r *runner) expose(p machine.Port, cfg *container.Config, h *container.HostConfig) error {
	add := func(number int32, host string) {
		port := nat.Port(fmt.Sprintf("%d/%s", number, p.Protocol))
		cfg.ExposedPorts[port] = struct{}{}
		h.PortBindings[port] = append(h.PortBindings[port], nat.PortBinding{HostPort: host})
	}
	if first, last, ok := portRange(p.ContainerPortRange); ok {
		at, err := r.m.reserve(int(last-first)+1, p.Protocol, r.k.Task.ARN)
		if err != nil {
			return err
		}
		for n := first; n <= last; n++ {
			add(n, strconv.Itoa(at+int(n-first)))
		}
		return nil
	}
	host := ""
	if p.HostPort != 0 {
		host = strconv.Itoa(int(p.HostPort))
	}
	add(p.ContainerPort, host)
	return nil
}

func portRange(s string) (first, last int32, ok bool) {
	a, b, both := strings.Cut(s, "-")
	from, err1 := strconv.ParseUint(a, 10, 16)
	until, err2 := strconv.ParseUint(b, 10, 16)
	return int32(from), int32(until), both && err1 == nil && err2 == nil && from <= until
}

// reserve finds consecutive ports of the machine that nobody has, for a task, until it
// is forgotten.
func (m *Machine) reserve(count int, protocol, task string) (first int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
next:
	for first := lastDynamic + 1 - count; first >= firstDynamic; first -= count {
		last := first + count - 1
		for _, v := range m.reserved {
			if v.protocol == protocol && v.first <= last && first <= v.last {
				continue next
			}
		}
		for n := first; n <= last; n++ {
			if !free(n, protocol) {
				continue next
			}
		}
		m.reserved = append(m.reserved, reservation{first, last, protocol, task})
		return first, nil
	}
	return 0, fmt.Errorf("this machine has no %d consecutive %s ports to give", count, protocol)
}

// free reports whether nobody listens on a port of this machine.
func free(port int, protocol string) bool {
	address := net.JoinHostPort("", strconv.Itoa(port))
	if protocol == "udp" {
		c, err := net.ListenPacket("udp", address)
		if err == nil {
			err = c.Close()
		}
		return err == nil
	}
	l, err := net.Listen("tcp", address)
	if err == nil {
		err = l.Close()
	}
	return err == nil
}

// folded are the bindings of a container with those of a range as one.
func folded(list []machine.Binding, c *machine.Container) []machine.Binding {
	for _, p := range c.Ports {
		first, last, ok := portRange(p.ContainerPortRange)
		if !ok {
			continue
		}
		var rest []machine.Binding
		lowest, count := machine.Binding{}, int32(0)
		for _, b := range list {
			if b.ContainerPort < first || b.ContainerPort > last || b.Protocol != p.Protocol {
				rest = append(rest, b)
				continue
			}
			if count++; b.ContainerPort == first {
				lowest = b
			}
		}
		if count != last-first+1 {
			continue // the Engine has not bound them all yet
		}
		rest = append(rest, machine.Binding{
			BindIP: lowest.BindIP, Protocol: p.Protocol, ContainerPortRange: p.ContainerPortRange,
			HostPortRange: fmt.Sprintf("%d-%d", lowest.HostPort, lowest.HostPort+last-first),
		})
		list = rest
	}
	return list
}
