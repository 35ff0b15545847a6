package bench_test

import (
	"context"
	"testing"

	"github.com/beatlabs/patron/bench/contender"
)

// BenchmarkHTTP is one request in the process, without a network.
func BenchmarkHTTP(b *testing.B) {
	for _, method := range []string{contender.GET, contender.POST} {
		for _, mode := range []contender.Mode{contender.Unsampled, contender.Sampled} {
			b.Run(method+"/"+mode.String(), func(b *testing.B) {
				for _, c := range contender.All() {
					b.Run(c.Name, func(b *testing.B) { benchHTTP(b, c, method, mode) })
				}
			})
		}
	}
}

func benchHTTP(b *testing.B, c contender.Contender, method string, mode contender.Mode) {
	b.Helper()
	r, err := contender.NewRequest(method)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.WithoutCancel(b.Context())
	h, err := c.Handler(ctx, mode)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.Shutdown(ctx) })
	x, err := contender.NewExchange(h.Context, h, r)
	if err != nil {
		b.Fatal(err)
	}
	measure(b, x.Do)
	if err := x.Check(); err != nil {
		b.Fatal(err)
	}
}
