// Package snippet keeps the code that guides show the same as code that is compiled and tested.
//
// A block of a guide says above itself where it comes from:
//
//	<!-- snippet: examples/guides/start/hello/main.go#program -->
//	```go
//	…
//	```
//
// The source encloses it between two comments, which may be nested; the lines between them are shown without their common indentation:
//
//	// snippet: program
//	…
//	// end snippet
//
// Without a name the block is the whole file: that is how output is shown, which a test of the program compares with what it really prints. A block of Go must
// have such a line above it; others may. With path#Example_name() the block is what that Example prints, by its comment.
//
// The test of this package fails when a guide and its sources differ, and go generate ./internal/snippet writes the blocks anew.
package snippet
