// Package registryhost decides under which address a registry is reached, and
// reads account and region back out of an address. What it prints, docker can
// push to: every repositoryUri and proxyEndpoint comes from here.
package registryhost

import (
	"fmt"
	"net"
	"regexp"
	"strings"
)

// AWS is the template that --registry-host aws stands for.
const AWS = "{account}.dkr.ecr.{region}.amazonaws.com"

const (
	accountPattern = `(\d{10,12})`
	regionPattern  = `([a-z]{2,4}(?:-[a-z]+)+-\d{1,2})`
)

// Account is the form of an account id: AWS's have twelve digits, and ten are
// accepted so that the short ones of examples work as written.
var accountForm = regexp.MustCompile(`^` + accountPattern + `$`)
var regionForm = regexp.MustCompile(`^` + regionPattern + `$`)

// ValidAccount reports whether s has the form of an account id.
func ValidAccount(s string) bool { return accountForm.MatchString(s) }

// ValidRegion reports whether s has the form of a region's name.
func ValidRegion(s string) bool { return regionForm.MatchString(s) }

// awsNames are the host names that Amazon gives registries, of which drydock
// answers all whatever its own template is.
// Source: https://docs.aws.amazon.com/general/latest/gr/ecr.html
var awsNames = []*regexp.Regexp{
	regexp.MustCompile(`^` + accountPattern + `\.dkr\.ecr(?:-fips)?\.` + regionPattern + `\.amazonaws\.com$`),
	regexp.MustCompile(`^` + accountPattern + `\.dkr-ecr(?:-fips)?\.` + regionPattern + `\.on\.aws$`),
}

// scopePrefix is the first component of a repository's path that names account
// and region where the host name cannot: localhost:5000/222233334444.eu-west-1/demo.
var scopePrefix = regexp.MustCompile(`^` + accountPattern + `\.` + regionPattern + `/(.+)$`)

// Names maps accounts and regions to addresses and back.
type Names struct {
	account, region string
	template        string
	port            string
	own             *regexp.Regexp
}

// New makes the names of a server whose default account and region are given.
// The template is the host, and optionally port, that clients use; it may hold
// {account} and {region}, and "aws" stands for Amazon's own names. listenPort is
// added to templates that give no port, unless it is 443.
func New(account, region, template, listenPort string) (*Names, error) {
	if !ValidAccount(account) {
		return nil, fmt.Errorf("account %q: an account id has 10 to 12 digits", account)
	}
	if !ValidRegion(region) {
		return nil, fmt.Errorf("region %q is not a region name such as eu-west-1", region)
	}
	if template == "aws" {
		template = AWS
	}
	host, port := template, listenPort
	if h, p, err := net.SplitHostPort(template); err == nil {
		host, port = h, p
	}
	plain := strings.NewReplacer("{account}", "0123456789", "{region}", "eu-west-1").Replace(host)
	if plain == "" || strings.ContainsAny(plain, "{}/ @?#") {
		return nil, fmt.Errorf("registry host %q: want a host name, optionally with a port, {account} and {region}", template)
	}
	q := regexp.QuoteMeta(strings.ToLower(host))
	for _, p := range []struct{ name, pattern string }{{"account", accountPattern}, {"region", regionPattern}} {
		q = strings.Replace(q, regexp.QuoteMeta("{"+p.name+"}"), "(?P<"+p.name+">"+p.pattern[1:], 1)
	}
	own, err := regexp.Compile("^" + q + "$")
	if err != nil || strings.Contains(q, `\{`) {
		return nil, fmt.Errorf("registry host %q: each of {account} and {region} may stand once", template)
	}
	return &Names{account: account, region: region, template: host, port: port, own: own}, nil
}

// Host is the host, with its port where it has one, at which the registry of an
// account and a region is reached.
func (n *Names) Host(account, region string) string {
	h := strings.NewReplacer("{account}", account, "{region}", region).Replace(n.template)
	if n.port == "" || n.port == "443" {
		return h
	}
	return net.JoinHostPort(h, n.port)
}

// ProxyEndpoint is the address that GetAuthorizationToken gives.
func (n *Names) ProxyEndpoint(account, region string) string {
	return "https://" + n.Host(account, region)
}

// RepositoryURI is the address that docker pushes a repository to. Where the
// host name does not tell account and region and they are not the defaults, the
// path does.
func (n *Names) RepositoryURI(account, region, name string) string {
	told := func(what, value, standard string) bool {
		return value == standard || strings.Contains(n.template, what)
	}
	if !told("{account}", account, n.account) || !told("{region}", region, n.region) {
		name = account + "." + region + "/" + name
	}
	return n.Host(account, region) + "/" + name
}

// Resolve finds whose repository a client means by a host name (with or without
// port) and the path behind it. What the name does not tell is the default.
func (n *Names) Resolve(host, path string) (account, region, name string) {
	account, region, ok := n.fromHost(host)
	if ok {
		return account, region, path
	}
	if m := scopePrefix.FindStringSubmatch(path); m != nil {
		return m[1], m[2], m[3]
	}
	return account, region, path
}

// Reserved reports whether a repository of that name could not be told from an
// account and a region in a path.
func Reserved(name string) bool { return scopePrefix.MatchString(name) }

// fromHost reports, beside account and region, whether the host told them both.
func (n *Names) fromHost(host string) (account, region string, ok bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	account, region = n.account, n.region
	for _, re := range awsNames {
		if m := re.FindStringSubmatch(host); m != nil {
			return m[1], m[2], true
		}
	}
	m := n.own.FindStringSubmatch(host)
	if m == nil {
		return account, region, false
	}
	a, r := n.own.SubexpIndex("account"), n.own.SubexpIndex("region")
	if a > 0 {
		account = m[a]
	}
	if r > 0 {
		region = m[r]
	}
	return account, region, a > 0 && r > 0
}

// IsAmazons reports whether a host, without a port, has one of the names that Amazon
// gives registries.
func IsAmazons(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, re := range awsNames {
		if re.MatchString(host) {
			return true
		}
	}
	return false
}

// Port is the one at which registries are reached.
func (n *Names) Port() string { return n.port }

// IsRegistry reports whether host is one of the registry's own names rather than
// an API's. A plain template serves both.
func (n *Names) IsRegistry(host string) bool {
	_, _, ok := n.fromHost(host)
	return ok
}
