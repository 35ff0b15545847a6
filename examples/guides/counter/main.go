// snippet: program

// Command counter runs a component of its own: it counts the visits of an HTTP route, and writes the sum when it stops.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron"
	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
)

// snippet: component

// counter is a component: it has a method Run.
type counter struct {
	visits chan string
	sum    atomic.Int64
}

// Run takes visits until take ends. What it took it finishes in work, which outlives take by the grace period.
func (c *counter) Run(take context.Context) error {
	work, cancel := component.Work(take)
	defer cancel()
	for {
		select {
		case path := <-c.visits:
			c.count(work, path)
		case <-take.Done():
			slog.InfoContext(work, "counted", "visits", c.sum.Load())
			return nil
		}
	}
}

func (c *counter) count(ctx context.Context, path string) {
	slog.InfoContext(ctx, "visit", "path", path)
	c.sum.Add(1)
}

// String is its name in logs, metrics, errors and on /info.
func (c *counter) String() string { return "counter" }

// Start is called before Run: here it would dial.
func (c *counter) Start(context.Context) error { return nil }

// Check takes part in /ready.
func (c *counter) Check(context.Context) error { return nil }

// Info describes it on /info.
func (c *counter) Info() map[string]any { return map[string]any{"visits": c.sum.Load()} }

// end snippet

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "counter:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	c := &counter{visits: make(chan string)}
	visit := func(w http.ResponseWriter, r *http.Request) {
		select {
		case c.visits <- r.URL.Path:
			w.WriteHeader(http.StatusAccepted)
		case <-r.Context().Done():
		}
	}
	service, err := patron.New("counter", "1.0.0",
		patron.WithComponents(c),
		patron.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(phttp.NewRawRouteBuilder("/visit", visit).MethodPost())),
		patron.WithGracePeriod(20*time.Second),
	)
	if err != nil {
		return err
	}
	return service.Run(ctx)
}

// end snippet
