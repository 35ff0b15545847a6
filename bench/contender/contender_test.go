package contender_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/beatlabs/patron/bench/contender"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eachCase runs test for every contender, mode and request.
func eachCase(t *testing.T, test func(t *testing.T, c contender.Contender, mode contender.Mode, r contender.Request)) {
	t.Helper()
	for _, c := range contender.All() {
		for _, mode := range []contender.Mode{contender.Unsampled, contender.Sampled} {
			for _, method := range []string{contender.GET, contender.POST} {
				r, err := contender.NewRequest(method)
				if err != nil {
					t.Fatal(err)
				}
				t.Run(c.Name+"/"+method+"/"+mode.String(), func(t *testing.T) { test(t, c, mode, r) })
			}
		}
	}
}

func start(tb testing.TB, c contender.Contender, mode contender.Mode, r contender.Request) (*contender.Handler, *contender.Exchange) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	h, err := c.Handler(ctx, mode)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := h.Shutdown(ctx); err != nil {
			tb.Error(err)
		}
	})
	x, err := contender.NewExchange(h.Context, h, r)
	if err != nil {
		tb.Fatal(err)
	}
	return h, x
}

func TestAContenderCountsOnlyIfItDoesTheWork(t *testing.T) {
	t.Parallel()
	eachCase(t, func(t *testing.T, c contender.Contender, mode contender.Mode, r contender.Request) {
		t.Parallel()
		h, x := start(t, c, mode, r)

		const n = 100
		ids := make(map[string]bool)
		for range n {
			x.Do()
			if err := x.Check(); err != nil {
				t.Fatal(err)
			}
			ids[x.Header().Get(c.IDHeader)] = true
		}

		spans, err := h.Exported(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		observed, err := h.Observations()
		if err != nil {
			t.Fatal(err)
		}
		wantSpans, wantObserved, wantIDs := int64(0), uint64(0), 1 // net/http alone: one ID, the empty one
		if c.Observed() {
			wantObserved, wantIDs = n, n
			if mode == contender.Sampled {
				wantSpans = n
			}
		}
		if spans != wantSpans {
			t.Errorf("got %d spans, want %d", spans, wantSpans)
		}
		if observed != wantObserved {
			t.Errorf("got %d durations observed, want %d", observed, wantObserved)
		}
		if len(ids) != wantIDs || c.Observed() && ids[""] {
			t.Errorf("got %d different IDs, want %d", len(ids), wantIDs)
		}
	})
}

func TestTheIDOfARequestComesBack(t *testing.T) {
	t.Parallel()
	eachCase(t, func(t *testing.T, c contender.Contender, mode contender.Mode, r contender.Request) {
		t.Parallel()
		if !c.Observed() {
			return
		}
		_, x := start(t, c, mode, r)
		x.SetHeader(c.IDHeader, "order-536365")

		x.Do()

		if got := x.Header().Get(c.IDHeader); got != "order-536365" {
			t.Errorf("got %q, want the ID of the request", got)
		}
	})
}

func TestAWrongOrderIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range contender.All() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			const wrong = `{"invoice":"536365","customer":"17850","country":"United Kingdom","lines":[{"sku":"85123A","quantity":0,"price":2.5}]}`
			_, x := start(t, c, contender.Unsampled, contender.Request{Method: contender.POST, Path: "/orders", Body: wrong})

			x.Do()

			if x.Status != http.StatusUnprocessableEntity {
				t.Errorf("got status %d and %s, want 422", x.Status, x.Body)
			}
		})
	}
}

func TestServeAnswersOverTheNetwork(t *testing.T) {
	t.Parallel()
	for _, c := range contender.All() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if c.Name == contender.Ours+"-Handle" || c.Name == contender.Ours+"-ProcessorFunc" {
				t.Skip("a service like the one before")
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			address, ended := make(chan string, 1), make(chan error, 1)
			go func() { ended <- c.Serve(ctx, contender.Sampled, func(a string) { address <- a }) }()
			var client http.Client
			defer client.CloseIdleConnections()

			var at string
			select {
			case at = <-address:
			case err := <-ended:
				t.Fatal(err)
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+"/users/4711", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("got %s, %v", res.Status, err)
			}

			client.CloseIdleConnections()
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
