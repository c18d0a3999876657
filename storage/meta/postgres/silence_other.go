//go:build !linux

package postgres

import "syscall"

// limitSilence does nothing where the system offers no such limit.
func limitSilence(_, _ string, _ syscall.RawConn) error { return nil }
