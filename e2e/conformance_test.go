package e2e

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"testing"

	"drydock/e2e/harness"
)

func TestTheDistributionSpecsOwnConformanceToolFindsNoFailure(t *testing.T) {
	harness.EndToEnd(t)
	tool := harness.Tool(t, "conformance")
	s := harness.Start(t, harness.Options{})
	for _, repo := range []string{"conformance/repo1", "conformance/repo2"} {
		s.CreateRepository(t, repo)
	}
	dir := t.TempDir()
	run := harness.Runner{Dir: dir, Env: harness.Environ(
		"OCI_VERSION=1.1", "OCI_LOG=error", "OCI_RESULTS_DIR="+dir,
		"OCI_REGISTRY="+s.Host(), "OCI_TLS=disabled",
		"OCI_USERNAME=AWS", "OCI_PASSWORD="+s.Password(t),
		// What the specification leaves open and drydock does.
		"OCI_API_BLOBS_UPLOAD_CANCEL=true", "OCI_API_BLOBS_DIGEST_HEADER=true", "OCI_API_MANIFESTS_DIGEST_HEADER=true",
	)}
	out, failed := run.Try("", tool)

	report, err := os.ReadFile(filepath.Join(dir, "junit.xml"))
	if err != nil {
		t.Fatalf("the tool left no report: %v\n%v", err, failed)
	}
	var results suites
	if err := xml.Unmarshal(report, &results); err != nil {
		t.Fatal(err)
	}
	skipped := results.Skipped + results.Disabled
	t.Logf("conformance: %d pass, %d skipped, %d failed", results.Tests-results.Failures-skipped, skipped, results.Failures)
	for _, s := range results.Suites {
		for _, c := range s.Cases {
			if c.Failure != nil {
				t.Errorf("%s: %s", c.Name, c.Failure.Text)
			}
		}
	}
	if failed != nil || results.Failures > 0 || results.Tests == 0 {
		t.Errorf("the tool ends with %v\n%s", failed, out)
	}
}

// suites is what is read of a JUnit report.
type suites struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Skipped  int `xml:"skipped,attr"`
	Disabled int `xml:"disabled,attr"`
	Suites   []struct {
		Cases []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Text string `xml:",chardata"`
			} `xml:"failure"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}
