package throttle

import "net/netip"

// network is the source that an address belongs to: of IPv4 the address itself,
// of IPv6 the /64, all of whose addresses one machine may give itself (RFC 4291,
// section 2.5.4). All whose addresses are not known are one source.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
