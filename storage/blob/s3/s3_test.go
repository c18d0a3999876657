package s3

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/testsuites"

	"drydock/storage/blob"
	"drydock/storage/blob/blobtest"
	"drydock/storage/blob/s3/s3test"
)

// options are those of a driver for a new bucket of the server.
func options(t testing.TB, s *s3test.Server) Options {
	t.Helper()
	return Options{
		Bucket: s.Bucket(t), Prefix: "some/prefix", Endpoint: s.Endpoint, Region: s3test.Region, PathStyle: true,
		AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey, Random: rand.Reader, Patience: 20 * time.Millisecond,
	}
}

func open(t testing.TB, o Options) *Driver {
	t.Helper()
	d, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// bucket is a place for blobtest.
type bucket struct{ Options }

func (b bucket) Open(t *testing.T) blob.Driver { return open(t, b.Options) }

// TestDistributionSuite runs the checks that every driver of distribution has to
// pass.
func TestDistributionSuite(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	testsuites.Driver(t, func() (driver.StorageDriver, error) {
		o := options(t, s)
		o.RedirectFor = time.Minute
		return New(context.Background(), o)
	}, false)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	blobtest.Run(t, func(t *testing.T) blobtest.Place { return bucket{options(t, s)} })
}

func TestConformanceWithoutPrefixAndChecksums(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	blobtest.Run(t, func(t *testing.T) blobtest.Place {
		o := options(t, s)
		o.Prefix, o.NoChecksums = "", true
		return bucket{o}
	})
}
