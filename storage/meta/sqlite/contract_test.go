package sqlite_test

import (
	"testing"

	"drydock/storage/meta"
	"drydock/storage/meta/metatest"
	"drydock/storage/meta/testdb"
)

func TestSQLiteKeepsItsPromises(t *testing.T) {
	metatest.Run(t, func(t *testing.T) meta.DB { return testdb.SQLite(t).Open(t) })
}
