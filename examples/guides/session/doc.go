// Package session runs a program of the guides as a reader would, and compares what both terminals show with what the guide says.
//
// What a terminal shows is a file in testdata, which the guide shows as well. go test ./guides/... -update writes these files anew. In them "…" stands for what
// is different each time, as times and the name of the machine; IDs of traces are replaced by others, the same for the same.
package session
