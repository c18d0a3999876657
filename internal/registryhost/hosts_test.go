package registryhost

import "testing"

func names(t *testing.T, template string) *Names {
	t.Helper()
	n, err := New("1234567890", "eu-west-1", template, "443")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnswersItsOwnNamesAndAmazons(t *testing.T) {
	n := names(t, "{account}.ecr.lab.example")
	for host, want := range map[string]bool{
		"localhost":  true,
		"LOCALHOST.": true,
		"1234567890.dkr.ecr.eu-west-1.amazonaws.com":        true,
		"222233334444.dkr.ecr.ap-southeast-2.amazonaws.com": true,
		"222233334444.dkr-ecr.us-east-1.on.aws":             true,
		"222233334444.ecr.lab.example":                      true,
		"api.ecr.eu-west-1.amazonaws.com":                   true,
		"API.ECR.us-gov-west-1.amazonaws.com.":              true,
		"ecr.eu-west-1.api.aws":                             true,
		"ecs.eu-west-1.amazonaws.com":                       true,
		"sts.eu-west-1.amazonaws.com":                       true,
		"sts.amazonaws.com":                                 true,
		"iam.amazonaws.com":                                 true,
		"logs.eu-west-1.amazonaws.com":                      true,
		"":                                                  false,
		"lab.example":                                       false,
		"ecr.lab.example":                                   false,
		"a.222233334444.ecr.lab.example":                    false,
		"s3.eu-west-1.amazonaws.com":                        false,
		"signin.aws.amazon.com":                             false,
		"amazonaws.com":                                     false,
		"iam.amazonaws.com.evil.example":                    false,
		"evil.api.ecr.eu-west-1.amazonaws.com":              false,
		"12345.dkr.ecr.eu-west-1.amazonaws.com":             false,
	} {
		if got := n.Answers(host); got != want {
			t.Errorf("%s: got %t", host, got)
		}
	}
}

func TestAPIHostsAreAnswered(t *testing.T) {
	for _, host := range APIHosts("eu-west-1") {
		if !names(t, "localhost").Answers(host) {
			t.Errorf("%s is not answered", host)
		}
	}
}

func TestOwnDomain(t *testing.T) {
	for template, want := range map[string]string{
		"localhost":                  "localhost",
		"registry.lab.example":       "registry.lab.example",
		"Registry.Lab.example:8443":  "registry.lab.example",
		"{account}.ecr.lab.example":  "ecr.lab.example",
		"{region}.x.{account}.lab":   "lab",
		"{account}-{region}.lab":     "lab",
		"aws":                        "",
		"127.0.0.1":                  "",
		"[::1]:5000":                 "",
		"mirror.{region}.on.aws":     "",
		"registry.fakeamazonaws.com": "registry.fakeamazonaws.com",
	} {
		if got := names(t, template).OwnDomain(); got != want {
			t.Errorf("%s: got %q, want %q", template, got, want)
		}
	}
}
