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
	if mode == contender.Unsampled {
		measure(b, x.Do)
	} else {
		measureSampled(ctx, b, c, h, x)
	}
	if err := x.Check(); err != nil {
		b.Fatal(err)
	}
}

// measureSampled flushes often enough that no queue overflows: on one processor a loop can be faster than the exporter is let run, and what is dropped costs
// less than what is exported. In the end every span must have been.
func measureSampled(ctx context.Context, b *testing.B, c contender.Contender, h *contender.Handler, x *contender.Exchange) {
	b.Helper()
	var spans int64
	flush := func() {
		var err error
		if spans, err = h.Exported(ctx); err != nil {
			b.Fatal(err)
		}
	}
	done := 0
	measure(b, func() {
		x.Do()
		if done++; done%1000 == 0 {
			flush()
		}
	})
	flush()
	if c.Observed() && spans != int64(done) {
		b.Fatalf("%d spans were exported of %d", spans, done)
	}
}
