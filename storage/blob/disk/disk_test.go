package disk

import (
	"context"
	"testing"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/testsuites"
)

// TestDistributionSuite runs the checks that every driver of distribution has
// to pass.
func TestDistributionSuite(t *testing.T) {
	testsuites.Driver(t, func() (driver.StorageDriver, error) { return New(t.TempDir()) }, false)
}

func TestPathsThatLeaveTheFolderAreRefused(t *testing.T) {
	d, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"", "a", "/..", "/../etc/passwd", "/a/../b", "/a//b", "/a/", "/.", "/a/./b", "/a\x00b", "/a b", `/a\b`} {
		if _, err := d.Writer(context.Background(), p, false); err == nil {
			t.Errorf("a writer was given for %q", p)
		}
		if _, err := d.Open(context.Background(), p, 0); err == nil {
			t.Errorf("%q was opened", p)
		}
	}
}
