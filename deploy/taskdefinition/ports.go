package taskdefinition

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// mostPorts is how many port mappings and ports of ranges a container may have.
const mostPorts = 100

// PortRange reads a range such as "8000-8010". Errors: *ParameterError.
func PortRange(text string) (first, last int32, err error) {
	a, b, both := strings.Cut(text, "-")
	from, err1 := strconv.ParseUint(a, 10, 16)
	until, err2 := strconv.ParseUint(b, 10, 16)
	if !both || err1 != nil || err2 != nil || from < 1 || until < from || until-from >= mostPorts {
		return 0, 0, wrong("Invalid containerPortRange %q: it is first-last, with at most %d ports.", text, mostPorts)
	}
	return int32(from), int32(until), nil
}

// checkPorts checks the port mappings, and fills in what is left out of them.
func checkPorts(d *types.TaskDefinition) error {
	mode := NetworkMode(d)
	type port struct {
		number   int32
		protocol types.TransportProtocol
	}
	taken, names := map[port]string{}, map[string]bool{}
	for i := range d.ContainerDefinitions {
		c := &d.ContainerDefinitions[i]
		n := deref(c.Name)
		if mode == types.NetworkModeNone && len(c.PortMappings) > 0 {
			return wrong("Port mappings are not supported when networkMode=none.")
		}
		if len(c.PortMappings) > mostPorts {
			return wrong("Container '%s' has more than %d port mappings.", n, mostPorts)
		}
		for j := range c.PortMappings {
			p := &c.PortMappings[j]
			if p.Protocol == "" {
				p.Protocol = types.TransportProtocolTcp
			}
			if !slices.Contains(p.Protocol.Values(), p.Protocol) {
				return wrong("Invalid protocol %q in a port mapping of container '%s': it is tcp or udp.", p.Protocol, n)
			}
			if p.Name != nil {
				if !name.MatchString(*p.Name) || names[*p.Name] {
					return wrong("The names of port mappings have letters, digits, hyphens and underscores and are unique: '%s' is not.", *p.Name)
				}
				names[*p.Name] = true
			}
			if p.ContainerPortRange != nil {
				if err := checkRange(mode, n, p); err != nil {
					return err
				}
				continue
			}
			container, host := deref(p.ContainerPort), deref(p.HostPort)
			switch {
			case container < 1 || container > 65535:
				return wrong("Invalid 'containerPort' setting for container '%s': %d.", n, container)
			case host < 0 || host > 65535:
				return wrong("Invalid 'hostPort' setting for container '%s': %d.", n, host)
			case mode != types.NetworkModeBridge && p.HostPort != nil && host != container:
				return wrong("When networkMode=%s, the host ports and container ports in port mappings must match.", mode)
			case mode != types.NetworkModeBridge:
				host = container
			}
			p.HostPort = &host
			if host == 0 {
				continue
			}
			if other, twice := taken[port{host, p.Protocol}]; twice {
				return wrong("Host port %d (%s) is taken twice, by containers '%s' and '%s'.", host, p.Protocol, other, n)
			}
			taken[port{host, p.Protocol}] = n
		}
	}
	return nil
}

func checkRange(mode types.NetworkMode, container string, p *types.PortMapping) error {
	if p.ContainerPort != nil || p.HostPort != nil {
		return wrong("A port mapping of container '%s' has a containerPortRange and another port: it can have one.", container)
	}
	if mode != types.NetworkModeBridge && mode != types.NetworkModeAwsvpc {
		return wrong("containerPortRange is for the network modes bridge and awsvpc: container '%s' has one.", container)
	}
	_, _, err := PortRange(*p.ContainerPortRange)
	return err
}
