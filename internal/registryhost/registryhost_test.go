package registryhost

import "testing"

// TestWhatIsPrintedIsUnderstood holds the law of the package: an address it
// gives leads back to the same account, region and name.
func TestWhatIsPrintedIsUnderstood(t *testing.T) {
	for _, template := range []string{
		"localhost", "localhost:5000", "registry.lab.example", "aws", "127.0.0.1", "[::1]:5000",
		"{account}.ecr.lab.example:8443", "{region}.ecr.lab.example", "{account}-{region}.lab",
	} {
		for _, port := range []string{"443", "5000"} {
			n, err := New("1234567890", "eu-west-1", template, port)
			if err != nil {
				t.Fatal(err)
			}
			for _, scope := range [][2]string{{"1234567890", "eu-west-1"}, {"222233334444", "eu-west-1"}, {"1234567890", "us-gov-west-1"}, {"222233334444", "ap-southeast-2"}} {
				for _, name := range []string{"demo", "team-a/demo"} {
					uri := n.RepositoryURI(scope[0], scope[1], name)
					host := n.Host(scope[0], scope[1])
					a, r, got := n.Resolve(host, uri[len(host)+1:])
					if a != scope[0] || r != scope[1] || got != name {
						t.Errorf("%s on port %s: %s was read as %s %s %s", template, port, uri, a, r, got)
					}
				}
			}
		}
	}
}

func TestResolveNames(t *testing.T) {
	n, err := New("123456789012", "us-east-1", "localhost", "5000")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ host, path, want string }{
		{"localhost:5000", "demo", "123456789012 us-east-1 demo"},
		{"127.0.0.1:5000", "222233334444.eu-west-1/a/b", "222233334444 eu-west-1 a/b"},
		{"222233334444.dkr.ecr.eu-west-1.amazonaws.com:5000", "demo", "222233334444 eu-west-1 demo"},
		{"222233334444.dkr.ecr.eu-west-1.amazonaws.com", "123456789012.us-east-1/demo", "222233334444 eu-west-1 123456789012.us-east-1/demo"},
		{"1234567890.dkr.ecr-fips.us-east-2.amazonaws.com", "demo", "1234567890 us-east-2 demo"},
		{"1234567890.DKR-ECR.us-east-2.on.aws.", "demo", "1234567890 us-east-2 demo"},
		{"evil.1234567890.dkr.ecr.us-east-2.amazonaws.com", "demo", "123456789012 us-east-1 demo"},
	} {
		a, r, name := n.Resolve(c.host, c.path)
		if got := a + " " + r + " " + name; got != c.want {
			t.Errorf("Resolve(%q, %q) = %s, want %s", c.host, c.path, got, c.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range [][3]string{
		{"12345", "us-east-1", "localhost"}, {"123456789012", "mars", "localhost"},
		{"123456789012", "us-east-1", "a/b"}, {"123456789012", "us-east-1", "{who}.lab"},
		{"123456789012", "us-east-1", "{account}{account}"}, {"123456789012", "us-east-1", ""},
	} {
		if _, err := New(c[0], c[1], c[2], "5000"); err == nil {
			t.Errorf("New(%q, %q, %q) was accepted", c[0], c[1], c[2])
		}
	}
}
