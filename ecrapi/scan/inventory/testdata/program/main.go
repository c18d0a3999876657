// Command program is built by a test, which looks for what it was built from.
package main

import (
	"fmt"

	"github.com/opencontainers/go-digest"
)

func main() { fmt.Println(digest.FromString("program")) }
