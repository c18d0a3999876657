package postgres

import "database/sql"

// Pools tells of the connections for reading and of those for writing.
func (d *DB) Pools() (readers, writers sql.DBStats) { return d.readers.Stats(), d.writers.Stats() }
