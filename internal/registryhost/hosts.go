package registryhost

import (
	"net"
	"regexp"
	"strings"
)

// apiNames are the host names at which the AWS CLI and SDKs look for the
// services that drydock answers, or will.
// Source: https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html
var apiNames = []*regexp.Regexp{
	regexp.MustCompile(`^api\.ecr\.` + regionPattern + `\.amazonaws\.com$`),
	regexp.MustCompile(`^(?:ecr-fips|ecs|ecs-fips|sts|sts-fips|logs|logs-fips|elasticloadbalancing|elasticloadbalancing-fips|application-autoscaling|application-autoscaling-fips)\.` + regionPattern + `\.amazonaws\.com$`),
	regexp.MustCompile(`^(?:ecr|ecr-fips|ecs|ecs-fips|sts|logs|elasticloadbalancing|application-autoscaling)\.` + regionPattern + `\.api\.aws$`),
	regexp.MustCompile(`^(?:sts|iam|iam-fips)\.amazonaws\.com$`),
	regexp.MustCompile(`^iam\.global\.api\.aws$`),
}

// IsAPI reports whether host, without a port, is one of Amazon's names for the
// APIs that drydock answers.
func IsAPI(host string) bool {
	host = canonical(host)
	for _, re := range apiNames {
		if re.MatchString(host) {
			return true
		}
	}
	return false
}

// APIHosts are the names at which clients configured for a region, and with no
// endpoint, look for what is needed to use a registry.
func APIHosts(region string) []string {
	return []string{
		"api.ecr." + region + ".amazonaws.com",
		"ecr." + region + ".api.aws",
		"sts." + region + ".amazonaws.com",
		"sts.amazonaws.com",
	}
}

// Answers reports whether the server goes by a host name, given without port:
// localhost, its own registry host, or one of Amazon's names for registries and
// APIs. Certificates are issued for these names and no others.
func (n *Names) Answers(host string) bool {
	host = canonical(host)
	_, _, registry := n.fromHost(host)
	return registry || host == "localhost" || n.own.MatchString(host) || IsAPI(host)
}

// OwnDomain is the part of the registry host that is the same for every account
// and region, "" when that is one of Amazon's domains or an IP address.
func (n *Names) OwnDomain() string {
	host := canonical(n.template)
	if n.OwnIP() != nil {
		return ""
	}
	labels := strings.Split(host, ".")
	for i := len(labels) - 1; i >= 0; i-- {
		if strings.Contains(labels[i], "{") {
			labels = labels[i+1:]
			break
		}
	}
	domain := strings.Join(labels, ".")
	for _, amazon := range AmazonDomains() {
		if domain == amazon || strings.HasSuffix(domain, "."+amazon) {
			return ""
		}
	}
	return domain
}

// AmazonDomains are the domains that all of Amazon's names above lie in.
func AmazonDomains() []string { return []string{"amazonaws.com", "on.aws", "api.aws"} }

func canonical(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// OwnIP is the registry host where that is an IP address, else nil.
func (n *Names) OwnIP() net.IP { return net.ParseIP(strings.Trim(n.template, "[]")) }
