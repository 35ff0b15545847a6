package sync

import (
	"context"
	"slices"
)

// ProcessorFunc answers one request. It is called concurrently. An error that is or wraps an [Error] says what the caller is told; every other error is
// Unknown to the caller. With an error the Response is ignored; a nil Response without an error is an answer without content.
type ProcessorFunc func(ctx context.Context, req *Request) (*Response, error)

// MiddlewareFunc wraps a processor. It is called once, when the chain is made; what it returns is called for every request.
type MiddlewareFunc func(next ProcessorFunc) ProcessorFunc

// Chain wraps p in the middlewares: the first listed is the outermost. Nil middlewares are left out.
func Chain(p ProcessorFunc, mm ...MiddlewareFunc) ProcessorFunc {
	for _, m := range slices.Backward(mm) {
		if m != nil {
			p = m(p)
		}
	}
	return p
}
