//go:build !linux

package listen

import "syscall"

// deadPeers leaves dead peers to TCP keep-alive where the kernel has no
// per-connection limit.
func deadPeers(_, _ string, _ syscall.RawConn) error { return nil }
