// Package api reads the exported API of a module and tells what a change of it means for those who use it.
//
// The API of this module is written down in api.txt at its root, one line a symbol, so that a review shows what a change does to users. The test of this
// package fails when the code and that file disagree, and says which changes break users and which only add. go generate ./internal/api accepts them.
//
// A line begins with the import path, without what stands before the name of the module, and goes on as in the code, without the names of parameters. Types of
// other packages carry their import path, those of the same package carry none:
//
//	patron/async: const HeaderID untyped string = "Patron-Message-Id"
//	patron/async: func LaneOf(*Source, []byte) Lane
//	patron/async: method (*Message) Clone() *Message
//	patron/async: type Lane struct, comparable
//	patron/async: type Lane struct, Hash uint64
//	patron/async: type Producer interface { Close, Send }
//	patron/async: type Producer interface, Close(context.Context) error
//
// The methods of an interface stand on one line as well, because one more breaks those who implement it: that line is then gone.
package api
