// Command probe is what tests run in containers.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	args := os.Args[1:]
	for len(args) > 0 {
		arg := func() string { args = args[1:]; return args[0] }
		switch args[0] {
		case "say":
			fmt.Println(arg())
		case "cat":
			b, err := os.ReadFile(arg())
			if err != nil {
				fmt.Println(err)
			}
			os.Stdout.Write(b)
		case "where": // it runs, and as whom
			dir, _ := os.Getwd()
			host, _ := os.Hostname()
			fmt.Println("dir", dir, "uid", os.Getuid(), "gid", os.Getgid(), "host", host, "pid", os.Getpid())
		case "look": // up a name
			fmt.Println(net.LookupHost(arg()))
		case "terminal":
			fi, _ := os.Stdout.Stat()
			in, _ := os.Stdin.Stat()
			fmt.Println("out", fi.Mode()&os.ModeCharDevice != 0, "in", in.Mode().Type())
		case "interrupt": // waits for SIGINT
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGINT)
			<-c
			os.Exit(42)
		case "env":
			fmt.Println(os.Getenv(arg()))
		case "sleep":
			d, err := time.ParseDuration(arg())
			if err != nil {
				panic(err)
			}
			time.Sleep(d)
		case "exit":
			code, err := strconv.Atoi(arg())
			if err != nil {
				panic(err)
			}
			os.Exit(code)
		case "exists":
			if _, err := os.Stat(arg()); err != nil {
				os.Exit(1)
			}
			os.Exit(0)
		case "write":
			if err := os.WriteFile(arg(), nil, 0o644); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		case "get": // of an address in which $VARIABLES are replaced
			a, err := http.Get(os.ExpandEnv(arg()))
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			if _, err := io.Copy(os.Stdout, a.Body); err != nil {
				fmt.Println(err)
			}
			fmt.Println()
			a.Body.Close()
		case "serve":
			go http.ListenAndServe(":"+arg(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				host, _ := os.Hostname()
				fmt.Fprintln(w, "hello from", host, os.Getenv("COLOUR"))
			}))
		case "eat": // MiB
			n, _ := strconv.Atoi(arg())
			b := make([]byte, n<<20)
			for i := range b {
				b[i] = byte(i)
			}
			fmt.Println(len(b))
		case "deaf":
			signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
		case "wait":
			<-stop
			fmt.Println("stopped")
			os.Exit(0)
		}
		args = args[1:]
	}
}
