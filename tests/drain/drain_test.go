package drain

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var (
	flagRuns   = flag.Int("n", 10, "stop the tour `N` times")
	flagSeed   = flag.Uint64("seed", 0, "`seed` of the first run; the others follow it; 0 is a random one")
	flagAtOnce = flag.Int("at-once", 2, "how many runs there are at a time")
)

const examples = "../../examples"

// shipped reads the invoices of the tour.
func shipped(tb testing.TB) []item {
	tb.Helper()
	items, err := readFeed(filepath.Join(examples, "orders", "data", "orders-2010-12.ndjson.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	return items
}

// buildTour builds the tour as a user would.
func buildTour(tb testing.TB) string {
	tb.Helper()
	binary := filepath.Join(tb.TempDir(), "orders")
	build := exec.CommandContext(tb.Context(), "go", "build", "-buildvcs=false", "-o", binary, "./orders")
	build.Dir = examples
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// It is not parallel: the tests of the checker need not share the machine with it.
func TestTourStoppedUnderLoadLosesNothing(t *testing.T) { //nolint:paralleltest // see above
	if testing.Short() {
		t.Skip("it takes a second a run")
	}
	binary, items := buildTour(t), shipped(t)
	seed := *flagSeed
	if seed == 0 {
		seed = uint64(rand.Uint32()) + 1
	}

	var mu sync.Mutex // guards total and clean
	var total tally
	clean := 0
	seeds := make(chan uint64)
	var workers sync.WaitGroup
	for range max(1, *flagAtOnce) {
		workers.Go(func() {
			for seed := range seeds {
				p := newPlan(seed)
				did, err := run(t.Context(), p, binary, t.TempDir(), items)
				mu.Lock()
				total.add(did)
				if err == nil {
					clean++
				} else {
					t.Errorf("%v: %v\n%s\nto see it again: go test -count=1 -args -n 1 -seed %d", p, &did, abridged(err), seed)
				}
				mu.Unlock()
			}
		})
	}
	for i := range *flagRuns {
		select {
		case seeds <- seed + uint64(i):
		case <-t.Context().Done():
		}
	}
	close(seeds)
	workers.Wait()

	fmt.Printf("drain: %d of %d runs clean, %v (seed %d)\n", clean, *flagRuns, &total, seed)
	if *flagRuns > 0 && total.accepted == 0 {
		t.Error("no order was accepted in any run: the load does not reach the tour")
	}
}

// abridged is the text of an error, without most of what is the same again.
func abridged(err error) string {
	const most = 20
	joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) <= most {
		return err.Error()
	}
	return fmt.Sprintf("%d violations, the first of them:\n%v", len(joined.Unwrap()), errors.Join(joined.Unwrap()[:most]...))
}

func TestProcessThatEndsBeforeItIsOpenIsSaid(t *testing.T) {
	t.Parallel()

	_, err := startTour(t.Context(), "false")

	if err == nil {
		t.Error("got a tour, want an error")
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)

	_, err := startTour(ctx, "sleep", "60")

	if !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
}
