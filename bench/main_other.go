//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: it reads the servers' processor time and memory from /proc: run it on Linux")
	os.Exit(1)
}
