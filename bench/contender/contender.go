package contender

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	phttp "github.com/beatlabs/patron/component/http"
	"github.com/prometheus/client_golang/prometheus"
)

// The names that ratios refer to.
const (
	Raw  = "net-http" // the floor: nothing is observed
	Hand = "otelhttp" // what somebody assembles who uses no framework
	Ours = "patron"   // the raw handler; ours begin with it
)

// Contender is one way to serve the requests.
type Contender struct {
	Name string
	// IDHeader is the header in which the answer carries the ID of the request: that of the request, or a new one. "": it has none.
	IDHeader string
	handler  func(*telemetry) (http.Handler, error) // of a peer
	routes   func() ([]*phttp.Route, error)         // of patron
}

// All returns the contenders: net/http, the peers, ours.
func All() []Contender {
	return slices.Concat([]Contender{
		{Name: Raw, handler: rawHandler},
		{Name: Hand, IDHeader: requestIDHeader, handler: otelHandler},
		{Name: "otelhttp-prom", IDHeader: requestIDHeader, handler: otelPromHandler},
		{Name: "echo", IDHeader: requestIDHeader, handler: echoHandler},
		{Name: "kratos", IDHeader: requestIDHeader, handler: kratosHandler},
	}, patronContenders())
}

// Find returns the contender with the given name.
func Find(name string) (Contender, error) {
	all := All()
	i := slices.IndexFunc(all, func(c Contender) bool { return c.Name == name })
	if i < 0 {
		names := make([]string, 0, len(all))
		for _, c := range all {
			names = append(names, c.Name)
		}
		return Contender{}, fmt.Errorf("contender %q: want one of %s", name, strings.Join(names, ", "))
	}
	return all[i], nil
}

// Observed reports whether the contender traces and measures.
func (c Contender) Observed() bool { return c.Name != Raw }

// Handler is a contender without its listener.
type Handler struct {
	http.Handler

	// Context is the one that requests come with: what a service puts there, on nothing. What is below it would be measured with every look into it.
	Context context.Context //nolint:containedctx // it is what requests are made with
	// Exported flushes and returns how many spans have reached the exporter.
	Exported func(context.Context) (int64, error)
	// Shutdown ends what the contender has in the background.
	Shutdown func(context.Context) error

	gatherer prometheus.Gatherer
}

// Observations returns how many durations of requests have been observed.
func (h *Handler) Observations() (uint64, error) { return observations(h.gatherer) }

// Handler makes the contender ready for requests. What it has in the background lives until its Shutdown.
func (c Contender) Handler(ctx context.Context, mode Mode) (*Handler, error) {
	if c.routes != nil {
		return patronHandler(ctx, c, mode)
	}
	t := newTelemetry(mode)
	h, err := c.handler(t)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", c.Name, err), t.shutdown(ctx))
	}
	return &Handler{Handler: h, Context: context.Background(), Exported: t.exported, Shutdown: t.shutdown, gatherer: t.registry}, nil
}

// Serve serves on a free port of this machine until ctx ends. It calls ready with the address when requests are answered. Ours is the whole service that
// [patron.New] makes, with its readiness and its limits; the others are an http.Server without limits.
func (c Contender) Serve(ctx context.Context, mode Mode, ready func(address string)) error {
	if c.routes != nil {
		return patronServe(ctx, c, mode, ready)
	}
	h, err := c.Handler(ctx, mode)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h} //nolint:gosec // without limits, which cost time: the floor has none
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	ready(l.Addr().String())
	<-ctx.Done()
	err = server.Close()
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, h.Shutdown(context.WithoutCancel(ctx)))
}
