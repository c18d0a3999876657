// Command bench compares drydock with the stock registry in one run on one machine:
// stock without authentication, drydock with a real token, both logging errors
// only. It prints tables of rates and of what an operation costs in processor time;
// then, where it was measured, peak memory and start-up time. Rounds alternate
// between the servers; a row is the median of its rounds.
//
//	disk      both keep blobs in files
//	s3        both keep blobs in one S3 server (versitygw, over a folder), each in a
//	          bucket of its own, and neither redirects pulls there. How often it was
//	          called is counted in its access log
//	replicas  one replica of drydock, then two, on one PostgreSQL database and one
//	          bucket, each held to a part of one processor (which takes root)
//	pages     how long a page takes at the start, in the middle and at the end of
//	          the lists of 100,000 images and of 10,000 repositories
//	tasks     RunTask beside docker run, on a Docker Engine of its own; and Go
//	          benchmarks of services and of placement on simulated machines
//
// The client shares the machine's cores with the servers, so it does as little as
// it can: connections are kept, requests and digests are made before the clock
// starts, large bodies are sent from memory by sendfile, and what is pulled over
// plain HTTP is discarded in the kernel. What the client costs all the same is in
// the table. Unheld, two replicas would be faster than one only by what client and
// database leave of the machine.
//
//	make bench BENCHFLAGS="-on s3 -rounds 5 -only push,pull"
package main
