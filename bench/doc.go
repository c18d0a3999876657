// Command bench compares drydock with the stock registry in one run on one disk:
// stock without authentication, drydock with a real token. It prints a table of
// rates and of the server's CPU time per operation, then peak memory and start-up
// time. Rounds alternate between the servers; a row is the median of its rounds.
// Both log errors only.
//
// The client shares the machine's cores with the server, so it does as little as
// it can: connections are kept, requests and digests are made before the clock
// starts, large bodies are sent from memory by sendfile, and what is pulled over
// plain HTTP is discarded in the kernel. What the client costs all the same is in
// the table's last column.
//
//	make bench BENCHFLAGS="-rounds 5 -only push,pull"
package main
