package reliability

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic that became an error. Each side of the framework recovers at exactly one place and reports the panic as this type.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // the stack of the goroutine that panicked, as runtime/debug prints it; for the log, never for a client
}

// Recovered makes a PanicError of the value that recover returned, with the stack of the calling goroutine. It must be called by the deferred function
// that recovered. A nil value gives nil.
func Recovered(value any) *PanicError {
	if value == nil {
		return nil
	}
	return &PanicError{Value: value, Stack: debug.Stack()}
}

// Error says "panic: " and the value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value if it is an error, so that errors.Is sees through the panic.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
