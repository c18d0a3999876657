package registry

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"drydock/internal/registryhost"
)

func testNames(t testing.TB) *registryhost.Names {
	t.Helper()
	names, err := registryhost.New("123456789012", "eu-west-1", "localhost", "5000")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestSplitTakesPathsApartFromTheEnd(t *testing.T) {
	for path, want := range map[string][3]string{
		"/v2":                                {"base"},
		"/v2/":                               {"base"},
		"/v2/_catalog":                       {"catalog"},
		"/v2/demo/tags/list":                 {"tags", "demo"},
		"/v2/a/b/c/tags/list":                {"tags", "a/b/c"},
		"/v2/demo/manifests/latest":          {"manifests", "demo", "latest"},
		"/v2/demo/manifests/sha256:abc":      {"manifests", "demo", "sha256:abc"},
		"/v2/demo/blobs/sha256:abc":          {"blobs", "demo", "sha256:abc"},
		"/v2/demo/blobs/uploads":             {"uploads", "demo"},
		"/v2/demo/blobs/uploads/":            {"uploads", "demo"},
		"/v2/demo/blobs/uploads/id":          {"upload", "demo", "id"},
		"/v2/demo/referrers/sha256:abc":      {"referrers", "demo", "sha256:abc"},
		"/v2/blobs/uploads/manifests/x":      {"manifests", "blobs/uploads", "x"},
		"/v2/manifests/manifests/manifests":  {"manifests", "manifests", "manifests"},
		"/v2/tags/list/tags/list":            {"tags", "tags/list"},
		"/v2/blobs/uploads/blobs/uploads/id": {"upload", "blobs/uploads", "id"},
		"/v2/demo":                           {},
		"/v2/demo/":                          {},
		"/v2/demo/manifests/":                {},
		"/v2/demo/tags/other":                {},
		"/v2/manifests/x":                    {},
		"/":                                  {},
		"":                                   {},
	} {
		kind, name, last := split(path)
		if got := [3]string{kind, name, last}; got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestNamesThatAreNoneAreRefused(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../demo", "demo/..", "a//b", "/a", "a/", "A", "a..b", "a___b", "-a", "a-", "ä", "a b", strings.Repeat("a", maxName+1)} {
		r := &http.Request{Method: http.MethodGet, Host: "localhost:5000", URL: &url.URL{Path: "/v2/" + name + "/manifests/latest"}}
		if req, err := parse(r, testNames(t)); err == nil {
			t.Errorf("%q was read as %+v", name, req)
		}
	}
}

func TestEveryEndpointHasAHandlerAnActionAndAName(t *testing.T) {
	named := map[string]bool{}
	for kind, byMethod := range methods {
		for method, e := range byMethod {
			if handlers[e] == nil {
				t.Errorf("%s %s has no handler", method, kind)
			}
			if _, declared := actions[e]; !declared && e != base {
				t.Errorf("%s %s has no action", method, kind)
			}
		}
	}
	for e := base; e <= listReferrers; e++ {
		if handlers[e] == nil {
			t.Errorf("%s has no handler", e)
		}
		if action := actions[e]; e != base && !strings.HasPrefix(action, "ecr:") {
			t.Errorf("%s takes the action %q", e, action)
		}
		if named[e.String()] || e.String() == unknown.String() {
			t.Errorf("%s is the name of two endpoints", e)
		}
		named[e.String()] = true
	}
	if len(handlers) != int(listReferrers) || len(actions) != int(listReferrers)-1 {
		t.Errorf("%d handlers and %d actions for %d endpoints", len(handlers), len(actions), listReferrers)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("GET", "localhost:5000", "/v2/demo/manifests/latest")
	f.Add("PUT", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "/v2/a/b/blobs/uploads/id")
	f.Add("POST", "", "/v2/222233334444.eu-west-1/demo/blobs/uploads/")
	f.Add("DELETE", "x", "/v2/../../etc/passwd/manifests/..")
	f.Add("GET", "localhost", "/v2/a/../b/tags/list")
	names := testNames(f)
	f.Fuzz(func(t *testing.T, method, host, path string) {
		req, err := parse(&http.Request{Method: method, Host: host, URL: &url.URL{Path: path}}, names)
		if req == nil {
			t.Fatal("there is no request")
		}
		_ = req.endpoint.String()
		if err != nil {
			if req.endpoint != unknown {
				t.Errorf("an endpoint was named in spite of %v", err)
			}
			return
		}
		if handlers[req.endpoint] == nil {
			t.Fatalf("%s has no handler", req.endpoint)
		}
		if req.endpoint == base || req.endpoint == catalog {
			return
		}
		if !nameForm.MatchString(req.ref.Name) || len(req.ref.Name) > maxName {
			t.Errorf("the name %q was let through", req.ref.Name)
		}
		if strings.Contains(req.path, "..") || strings.Contains(req.ref.Name, "..") {
			t.Errorf("the path %q climbs", req.path)
		}
		if !registryhost.ValidAccount(req.ref.Account) || !registryhost.ValidRegion(req.ref.Region) {
			t.Errorf("the scope is %+v", req.ref.Scope)
		}
		if strings.Contains(req.which.Tag+string(req.digest)+req.upload, "/") {
			t.Errorf("%+v has a slash", req)
		}
	})
}
