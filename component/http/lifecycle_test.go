package http_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/component/componenttest"
	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
)

// holder has a processor whose requests last until they are let go.
type holder struct{ taken, free chan struct{} }

func (h *holder) process(ctx context.Context, _ *psync.Request) (*psync.Response, error) {
	h.taken <- struct{}{}
	select {
	case <-h.free:
		return psync.NewResponse("done"), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hold begins a request and returns the function that lets it go and looks at its answer.
func (h *holder) hold(tb testing.TB, address string) func() error {
	tb.Helper()
	transport := new(http.Transport)
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "http://"+address, nil)
	if err != nil {
		tb.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() {
		res, err := transport.RoundTrip(req)
		if err != nil {
			answer <- err
			return
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || string(body) != `"done"` || err != nil {
			err = fmt.Errorf("got %d %q, %w", res.StatusCode, body, err)
		}
		answer <- err
	}()
	<-h.taken
	return func() error {
		defer transport.CloseIdleConnections()
		select {
		case h.free <- struct{}{}:
			return <-answer
		case err := <-answer: // it was cut
			return err
		}
	}
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	var holders sync.Map // by component
	componenttest.Run(t, func(tb testing.TB) component.Component {
		tb.Helper()
		h := &holder{taken: make(chan struct{}), free: make(chan struct{})}
		c := newComponent(tb, phttp.WithAddress("127.0.0.1:0"), phttp.WithRoutes(process(tb, http.MethodGet, "/", h.process)))
		holders.Store(c, h)
		return c
	}, componenttest.WithBusy(func(tb testing.TB, c component.Component) func() error {
		tb.Helper()
		h, _ := holders.Load(c)
		server, _ := c.(*phttp.Component)
		return h.(*holder).hold(tb, server.Addr().String())
	}))
}

func TestLifecycleOfTheManagementListener(t *testing.T) {
	t.Parallel()
	componenttest.Run(t, func(tb testing.TB) component.Component {
		tb.Helper()
		return newManagement(tb, phttp.WithAddress("127.0.0.1:0"))
	})
}
