package bench_test

import (
	"context"
	"testing"
)

// benchCase is one who of a what.
type benchCase struct {
	name string
	op   func()
}

// keeper keeps a context, so that it is made: what nobody keeps the compiler leaves out.
type keeper struct{ context any }

func (k *keeper) keep(ctx context.Context) { k.context = ctx }

func runCases(b *testing.B, what string, cases []benchCase) {
	b.Helper()
	b.Run(what, func(b *testing.B) {
		for _, c := range cases {
			b.Run(c.name, func(b *testing.B) { measure(b, c.op) })
		}
	})
}
