package ca

import (
	"crypto/x509"
	"net"
	"slices"
)

// notPublic are the address ranges that mean something different on every
// network, so that signing for them endangers nobody elsewhere.
// Source: the IANA special-purpose address registries.
func notPublic() []*net.IPNet {
	var ranges []*net.IPNet
	for _, s := range []string{
		"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
		"::1/128", "fc00::/7", "fe80::/10",
	} {
		if _, n, err := net.ParseCIDR(s); err == nil {
			ranges = append(ranges, n)
		}
	}
	return ranges
}

func permittedDomains(o Options, before *x509.Certificate) []string {
	domains := append([]string{"localhost"}, o.Domains...)
	if before != nil {
		domains = append(domains, before.PermittedDNSDomains...)
	}
	slices.Sort(domains)
	return slices.Compact(domains)
}

func permittedRanges(o Options, before *x509.Certificate) []*net.IPNet {
	ranges := notPublic()
	if before != nil {
		for _, r := range before.PermittedIPRanges {
			if !slices.ContainsFunc(ranges, func(n *net.IPNet) bool { return n.String() == r.String() }) {
				ranges = append(ranges, r)
			}
		}
	}
	for _, ip := range o.IPs {
		if within(ip, ranges) {
			continue
		}
		if four := ip.To4(); four != nil {
			ip = four
		}
		all := len(ip) * 8
		ranges = append(ranges, &net.IPNet{IP: ip, Mask: net.CIDRMask(all, all)})
	}
	return ranges
}

func within(ip net.IP, ranges []*net.IPNet) bool {
	return slices.ContainsFunc(ranges, func(n *net.IPNet) bool { return n.Contains(ip) })
}

// suffices reports whether a certificate may be kept: it lasts a good while yet
// and permits everything that o asks for.
func suffices(c *x509.Certificate, o Options) bool {
	if now := o.Now(); now.Before(c.NotBefore) || now.Add(renewal).After(c.NotAfter) {
		return false
	}
	for _, d := range permittedDomains(o, nil) {
		if !slices.Contains(c.PermittedDNSDomains, d) {
			return false
		}
	}
	for _, ip := range o.IPs {
		if !within(ip, c.PermittedIPRanges) {
			return false
		}
	}
	return true
}
