// Package replicas holds the tests of several servers on one database and one
// bucket: what one of them has begun another one goes on with, what one of them has
// changed all of them know, and clients behind a plain balancer notice little of
// servers that are killed, stopped and started under them.
package replicas

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"testing"

	"drydock/e2e/harness"
	"drydock/storage/blob/s3/s3test"
	"drydock/storage/meta/testdb"
)

// fleet is some servers on a database and a bucket of their own.
type fleet struct {
	servers []*harness.Server
	balancer
	// front is the balancer, as if it was a server.
	front *harness.Server
	// said is what servers said that were started again.
	said []string
}

// newFleet starts servers and a balancer before them.
func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	harness.EndToEnd(t)
	database := testdb.Postgres(t).URL
	bucket := s3test.Start(t)
	var key [32]byte
	_, _ = rand.Read(key[:]) // documented never to fail
	f := new(fleet)
	f.balancer.start(t)
	o := harness.Options{
		Args: []string{
			"--log-level", "warn", "--registry-host", f.balancer.host(),
			"--blobs", fmt.Sprintf("s3://%s/drydock?endpoint=%s&region=%s&path-style=true", bucket.Bucket(t), url.QueryEscape(bucket.Endpoint), s3test.Region),
		},
		Env: []string{
			"DRYDOCK_DB=" + database,
			"DRYDOCK_SEAL_KEY=" + base64.StdEncoding.EncodeToString(key[:]),
			"DRYDOCK_S3_ACCESS_KEY_ID=" + bucket.AccessKeyID,
			"DRYDOCK_S3_SECRET_ACCESS_KEY=" + bucket.SecretAccessKey,
		},
	}
	for range n {
		s := harness.Start(t, o)
		f.servers = append(f.servers, s)
		f.balancer.add(s.URL())
	}
	f.front = &harness.Server{Listen: f.balancer.address, Account: f.servers[0].Account, Region: f.servers[0].Region}
	return f
}

// clients are registry clients of each server, with one password.
func (f *fleet) clients(t *testing.T) []*harness.Client {
	t.Helper()
	password := f.servers[0].Password(t)
	var all []*harness.Client
	for _, s := range f.servers {
		all = append(all, harness.NewClient(s.URL(), "AWS", password))
	}
	return all
}

// long reports whether tests may take minutes.
func long() bool { return os.Getenv("DRYDOCK_LONG") != "" }
