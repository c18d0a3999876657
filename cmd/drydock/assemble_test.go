package main

import (
	"net"
	"testing"

	"drydock/internal/config"
)

func TestWhereTheServerSaysItIs(t *testing.T) {
	for name, c := range map[string]struct {
		config                    config.Config
		listen                    []string
		url, repository, download string
	}{
		"loopback": {
			config.Config{}, []string{"127.0.0.1:5000"},
			"http://localhost:5000", "localhost:5000/demo", "http://localhost:5000",
		},
		"all addresses": {
			config.Config{}, []string{"0.0.0.0:5000"},
			"http://localhost:5000", "localhost:5000/demo", "https://localhost:5000",
		},
		"all addresses, plain HTTP for all": {
			config.Config{AllowPlainHTTP: true}, []string{"0.0.0.0:5000"},
			"http://localhost:5000", "localhost:5000/demo", "http://localhost:5000",
		},
		"one of the network's": {
			config.Config{}, []string{"192.168.1.5:5000", "127.0.0.1:5000"},
			"https://192.168.1.5:5000", "192.168.1.5:5000/demo", "https://192.168.1.5:5000",
		},
		"Amazon's names on this machine": {
			config.Config{RegistryHost: "aws"}, []string{"127.0.0.1:443"},
			"http://localhost:443", "123456789012.dkr.ecr.us-east-1.amazonaws.com/demo",
			"http://123456789012.dkr.ecr.us-east-1.amazonaws.com:443",
		},
		"a domain that leads to a proxy before the server": {
			config.Config{RegistryHost: "registry.lab.example:443"}, []string{"127.0.0.1:5000"},
			"http://localhost:5000", "registry.lab.example/demo", "https://registry.lab.example",
		},
		"a domain of one's own": {
			config.Config{RegistryHost: "registry.lab.example"}, []string{"192.168.1.5:8443"},
			"https://registry.lab.example:8443", "registry.lab.example:8443/demo", "https://registry.lab.example:8443",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Account, c.config.Region = "123456789012", "us-east-1"
			var addresses []*net.TCPAddr
			for _, l := range c.listen {
				a, err := net.ResolveTCPAddr("tcp", l)
				if err != nil {
					t.Fatal(err)
				}
				addresses = append(addresses, a)
			}
			names, err := namesOf(c.config, addresses[0])
			if err != nil {
				t.Fatal(err)
			}
			if got := endpoint(c.config, names, addresses[0]); got != c.url {
				t.Errorf("the endpoint is %s, want %s", got, c.url)
			}
			if got := names.RepositoryURI("123456789012", "us-east-1", "demo"); got != c.repository {
				t.Errorf("a repository's address is %s, want %s", got, c.repository)
			}
			if got := downloadBase(c.config, names, addresses)("123456789012", "us-east-1"); got != c.download {
				t.Errorf("layers are at %s, want %s", got, c.download)
			}
		})
	}
}
