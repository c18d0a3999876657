package main

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drydock/internal/config"
	"drydock/internal/datadir"
)

// issuer is an API that answers GetAuthorizationToken and remembers by which key
// and for which region it was asked.
func issuer(t *testing.T, scope *string) http.Handler {
	t.Helper()
	credential := regexp.MustCompile(`Credential=([^/]+)/\d+/([^/]+)/ecr/`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := credential.FindStringSubmatch(r.Header.Get("Authorization"))
		if m == nil || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetAuthorizationToken") {
			t.Errorf("got the request %v", r.Header)
			w.WriteHeader(400)
			return
		}
		*scope = m[1] + " " + m[2]
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprintf(w, `{"authorizationData":[{"authorizationToken":%q}]}`, base64.StdEncoding.EncodeToString([]byte("AWS:the:password")))
	})
}

func TestThePasswordIsFetchedWithTheRightKeyForTheRightRegion(t *testing.T) {
	var scope string
	plain := httptest.NewServer(issuer(t, &scope))
	defer plain.Close()
	secure := httptest.NewTLSServer(issuer(t, &scope))
	defer secure.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	mine := view{
		Config: config.Config{Region: "eu-west-1", RootKey: datadir.Key{AccessKeyID: "AKIAROOT", SecretAccessKey: "s"}},
		server: datadir.Server{URL: plain.URL, AccessKeyID: "AKIAROOT", Region: "eu-west-1"},
	}
	overTLS := mine
	overTLS.server.URL, overTLS.server.CABundle = secure.URL, bundle
	elsewhere := view{Config: mine.Config, absent: datadir.ErrNotRunning}

	for name, c := range map[string]struct {
		env    []string
		view   view
		region string
		want   string
	}{
		"the server of the data folder, as its root": {nil, mine, "", "AKIAROOT eu-west-1"},
		"the same over TLS":                          {nil, overTLS, "", "AKIAROOT eu-west-1"},
		"with the environment's key":                 {[]string{"AWS_ACCESS_KEY_ID=AKIAENV", "AWS_SECRET_ACCESS_KEY=s"}, mine, "", "AKIAENV eu-west-1"},
		"with the environment's region":              {[]string{"AWS_REGION=us-west-2"}, mine, "", "AKIAROOT us-west-2"},
		"with the flag's region":                     {[]string{"AWS_REGION=us-west-2"}, mine, "ap-south-1", "AKIAROOT ap-south-1"},
		"the server of the environment":              {[]string{"AWS_ENDPOINT_URL=" + plain.URL, "AWS_ACCESS_KEY_ID=AKIAENV", "AWS_SECRET_ACCESS_KEY=s"}, elsewhere, "", "AKIAENV eu-west-1"},
	} {
		t.Run(name, func(t *testing.T) {
			// The SDK reads the process's environment itself.
			for _, kv := range append([]string{
				"AWS_ENDPOINT_URL=", "AWS_ENDPOINT_URL_ECR=", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=",
				"AWS_PROFILE=", "AWS_REGION=", "AWS_DEFAULT_REGION=", "AWS_CA_BUNDLE=", "NO_PROXY=*",
				"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
			}, c.env...) {
				k, v, _ := strings.Cut(kv, "=")
				t.Setenv(k, v)
			}
			got, err := program{environ: os.Environ()}.fetchPassword(context.Background(), c.view, c.region)
			if err != nil || got != "the:password" {
				t.Errorf("got %q, %v", got, err)
			}
			if scope != c.want {
				t.Errorf("asked as %s, want %s", scope, c.want)
			}
		})
	}

	t.Setenv("AWS_ENDPOINT_URL", "")
	if _, err := (program{environ: os.Environ()}).fetchPassword(context.Background(), elsewhere, ""); !errors.Is(err, datadir.ErrNotRunning) || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL") {
		t.Errorf("with no server at all: %v", err)
	}
}
