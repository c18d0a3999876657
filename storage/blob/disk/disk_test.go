package disk

import (
	"testing"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/testsuites"

	"drydock/storage/blob"
	"drydock/storage/blob/blobtest"
)

// TestDistributionSuite runs the checks that every driver of distribution has
// to pass.
func TestDistributionSuite(t *testing.T) {
	testsuites.Driver(t, func() (driver.StorageDriver, error) { return New(t.TempDir()) }, false)
}

// folder is a place for blobtest.
type folder string

func (f folder) Open(t *testing.T) blob.Driver {
	t.Helper()
	d, err := New(string(f))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Place { return folder(t.TempDir()) })
}
