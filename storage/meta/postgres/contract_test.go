package postgres_test

import (
	"testing"

	"drydock/storage/meta"
	"drydock/storage/meta/metatest"
	"drydock/storage/meta/testdb"
)

func TestPostgreSQLKeepsItsPromises(t *testing.T) {
	metatest.Run(t, func(t *testing.T) meta.DB { return testdb.Postgres(t).Open(t) })
}

func TestServersShareADatabase(t *testing.T) {
	metatest.RunShared(t, func(t *testing.T) (one, two meta.DB) {
		d := testdb.Postgres(t)
		return d.Open(t), d.Open(t)
	})
}
