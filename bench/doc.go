// Package bench measures patron beside its peers and beside what is written by hand: HTTP requests, the engine for messages, and the small things that every
// request and line is made of. It is a module of its own, so that nobody's graph of dependencies holds the peers.
//
// The benchmarks are ordinary ones, named Benchmark<Subject>/<what>/<who>; of each what, the first who is the base of the ratios. The command compare runs
// them in rounds, each case in a process of its own, and adds what no benchmark sees: requests over the network and the size of binaries.
//
//	make compare                               one table, in about five minutes
//	cd bench && go test -bench HTTP/GET .      one part of it, without rounds
//
// docs/performance.md says how to read the table.
package bench
