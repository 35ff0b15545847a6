package contender_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/beatlabs/patron/bench/contender"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// workload is one contender in one mode with one request.
type workload struct {
	name      string
	contender contender.Contender
	mode      contender.Mode
	request   contender.Request
}

// workloads returns every contender in every mode with every request.
func workloads(tb testing.TB) []workload {
	tb.Helper()
	var all []workload
	for _, c := range contender.All() {
		for _, mode := range []contender.Mode{contender.Unsampled, contender.Sampled} {
			for _, method := range []string{contender.GET, contender.POST} {
				r, err := contender.NewRequest(method)
				if err != nil {
					tb.Fatal(err)
				}
				all = append(all, workload{c.Name + "/" + method + "/" + mode.String(), c, mode, r})
			}
		}
	}
	return all
}

func start(tb testing.TB, w workload) (*contender.Handler, *contender.Exchange) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	h, err := w.contender.Handler(ctx, w.mode)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := h.Shutdown(ctx); err != nil {
			tb.Error(err)
		}
	})
	x, err := contender.NewExchange(h.Context, h, w.request)
	if err != nil {
		tb.Fatal(err)
	}
	return h, x
}

func TestAContenderCountsOnlyIfItDoesTheWork(t *testing.T) {
	t.Parallel()
	for _, w := range workloads(t) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			h, x := start(t, w)

			const n = 100
			ids := make(map[string]bool)
			for range n {
				x.Do()
				if err := x.Check(); err != nil {
					t.Fatal(err)
				}
				ids[x.Header().Get(w.contender.IDHeader)] = true
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
			if w.contender.Observed() {
				wantObserved, wantIDs = n, n
				if w.mode == contender.Sampled {
					wantSpans = n
				}
			}
			if spans != wantSpans {
				t.Errorf("got %d spans, want %d", spans, wantSpans)
			}
			if observed != wantObserved {
				t.Errorf("got %d durations observed, want %d", observed, wantObserved)
			}
			if len(ids) != wantIDs || w.contender.Observed() && ids[""] {
				t.Errorf("got %d different IDs, want %d", len(ids), wantIDs)
			}
		})
	}
}

func TestTheIDOfARequestComesBack(t *testing.T) {
	t.Parallel()
	for _, w := range workloads(t) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			if !w.contender.Observed() {
				return
			}
			_, x := start(t, w)
			x.SetHeader(w.contender.IDHeader, "order-536365")

			x.Do()

			if got := x.Header().Get(w.contender.IDHeader); got != "order-536365" {
				t.Errorf("got %q, want the ID of the request", got)
			}
		})
	}
}

func TestAWrongOrderIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range contender.All() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			const wrong = `{"invoice":"536365","customer":"17850","country":"United Kingdom","lines":[{"sku":"85123A","quantity":0,"price":2.5}]}`
			_, x := start(t, workload{contender: c, request: contender.Request{Method: contender.POST, Path: "/orders", Body: wrong}})

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
