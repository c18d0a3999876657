package keeper

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"drydock/deploy/machine"
	"drydock/internal/registryhost"
)

// Repository tells images of this server's own registry from others, and what they
// are called there. names are the server's, ports those on which it listens.
//
// Amazon's host names are always this server's own, whatever the port: it stands in
// for ECR. Its other names, and those of the machine itself, are with one of the
// ports, for on another there may be another registry.
func Repository(names *registryhost.Names, ports ...int) func(image string) *machine.RepositoryImage {
	return func(image string) *machine.RepositoryImage {
		named, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			return nil // Docker says what is wrong with it
		}
		domain := reference.Domain(named)
		if !own(names, domain, ports) {
			return nil
		}
		v := machine.RepositoryImage{Reference: "latest"}
		v.Account, v.Region, v.Name = names.Resolve(domain, reference.Path(named))
		if t, ok := named.(reference.Tagged); ok {
			v.Reference = t.Tag()
		}
		if d, ok := named.(reference.Digested); ok {
			v.Reference = d.Digest().String()
		}
		return &v
	}
}

func own(names *registryhost.Names, domain string, ports []int) bool {
	host, port, err := net.SplitHostPort(domain)
	if err != nil {
		host, port = strings.Trim(domain, "[]"), ""
	}
	if registryhost.IsAmazons(host) {
		return true
	}
	ip := net.ParseIP(host)
	if (!names.Answers(host) || registryhost.IsAPI(host)) && (ip == nil || !ip.IsLoopback()) {
		return false
	}
	if port == "" {
		// That is what https implies, and for the machine itself http too.
		return names.Port() == "" || names.Port() == "443" || slices.Contains(ports, 443) || slices.Contains(ports, 80)
	}
	n, err := strconv.Atoi(port)
	return port == names.Port() || err == nil && slices.Contains(ports, n)
}
