// Package sync is the synchronous half of the framework: a request goes in, a response comes out, and no transport is seen.
//
// A [ProcessorFunc] gets a [Request] and answers with a [Response] or an error. HTTP and gRPC components feed it; a test calls it. [Handle] makes one of a
// function with types of your own and takes care of decoding and validation:
//
//	type order struct {
//		Invoice string `json:"invoice" validate:"required,pattern=^[A-Za-z0-9]{1,32}$"`
//		Lines   []line `json:"lines"   validate:"minlen=1"`
//	}
//
//	create := psync.Handle(func(ctx context.Context, o order) (*psync.Response, error) { … })
//
// # Errors
//
// An error that is or wraps an [Error] tells the caller what kind of failure it is, by its [Code]; the codes are those of gRPC, with a table to HTTP. Message,
// Payload and Faults of an Error go out, its field Err is for the log. The text of any other error never goes out: the caller is told Unknown.
//
// Wrong input is answered once and completely: every value of a wrong type and every rule that is broken is a [Fault] with a JSON pointer, so that nobody has
// to mend a body one fault at a time. See [Validator] for the rules.
//
// The name shadows the standard library's, so the package is imported as psync.
package sync
