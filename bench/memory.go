//go:build linux

package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const reportingDelay = 3 * time.Second

// backMemory sees to it that the next bytes of memory that the kernel gives out
// are there. A virtual machine may have handed its free memory back to its host
// (free page reporting), and to touch that again costs over a second of kernel
// time for each 512 MiB: more than to push them, and by chance to one server
// more than to the other.
func backMemory(bytes int64) error {
	time.Sleep(reportingDelay)
	memory, err := unix.Mmap(-1, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("touching memory: %w", err)
	}
	for i := 0; i < len(memory); i += unix.Getpagesize() {
		memory[i] = 1
	}
	return unix.Munmap(memory)
}
