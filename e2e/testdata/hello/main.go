// A program small enough to be a whole image.
package main

import "fmt"

func main() { fmt.Println("hello from a scratch image") }
