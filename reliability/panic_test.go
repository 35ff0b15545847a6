package reliability_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/beatlabs/patron/reliability"
)

// explode panics with value and returns what the one who recovers makes of it.
func explode(value any) (err *reliability.PanicError) {
	defer func() { err = reliability.Recovered(recover()) }()
	panic(value)
}

func TestAPanicBecomesAnErrorWithItsStack(t *testing.T) {
	t.Parallel()
	err := explode("boom")

	if got := err.Error(); got != "panic: boom" {
		t.Errorf("Error: got %q, want %q", got, "panic: boom")
	}
	if err.Value != "boom" || errors.Unwrap(err) != nil {
		t.Errorf("got value %v and cause %v, want boom and none", err.Value, errors.Unwrap(err))
	}
	if stack := string(err.Stack); !strings.Contains(stack, "reliability_test.explode") {
		t.Errorf("Stack: got %s, want the function that panicked in it", stack)
	}
	if strings.Contains(err.Error(), "panic_test.go") {
		t.Errorf("Error shows the stack: %v", err)
	}
}

func TestAPanicWithAnErrorShowsIt(t *testing.T) {
	t.Parallel()
	wrapped := fmt.Errorf("orders: %w", explode(fmt.Errorf("read: %w", io.ErrUnexpectedEOF)))

	if !errors.Is(wrapped, io.ErrUnexpectedEOF) {
		t.Errorf("errors.Is(%v, the error of the panic): got false", wrapped)
	}
	if e, ok := errors.AsType[*reliability.PanicError](wrapped); !ok || e.Value == nil {
		t.Errorf("errors.AsType: got %v, want the PanicError", e)
	}
}

func TestNoPanicIsNoError(t *testing.T) {
	t.Parallel()
	if err := reliability.Recovered(nil); err != nil {
		t.Errorf("Recovered(nil): got %v, want nil", err)
	}
}

func TestPanicWithNilIsAPanic(t *testing.T) {
	t.Parallel()
	if err := explode(nil); err == nil || !strings.Contains(err.Error(), "panic called with nil argument") {
		t.Errorf("got %v, want the error of the runtime", err)
	}
}
