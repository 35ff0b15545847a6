package async_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/component/componenttest"
)

// consuming is a component on a broker of its own. Its handler works until it is let go.
type consuming struct {
	*async.Component
	broker  *memory.Broker
	started chan struct{}
	free    chan struct{}
}

func newConsuming(tb testing.TB, oo ...memory.OptionFunc) *consuming {
	tb.Helper()
	broker, err := memory.New(oo...)
	if err != nil {
		tb.Fatal(err)
	}
	co := &consuming{broker: broker, started: make(chan struct{}), free: make(chan struct{})}
	co.Component, err = async.New("test", broker.Consumer("q"), co.process)
	if err != nil {
		tb.Fatal(err)
	}
	return co
}

func (co *consuming) process(ctx context.Context, _ *async.Message) error {
	select {
	case co.started <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-co.free:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keepBusy has one message in the handler.
func keepBusy(tb testing.TB, c component.Component) (finish func() error) {
	tb.Helper()
	co, _ := c.(*consuming)
	if err := co.broker.Producer("q").Send(tb.Context(), &async.Message{ID: "1"}); err != nil {
		tb.Fatal(err)
	}
	<-co.started
	return func() error {
		select {
		case co.free <- struct{}{}:
			return nil
		case <-time.After(time.Minute):
			return errors.New("the handler was cancelled")
		}
	}
}

func TestAComponentKeepsTheContractOfComponents(t *testing.T) {
	t.Parallel()
	for name, oo := range map[string][]memory.OptionFunc{
		"source that dies with the process": nil,
		"source that outlives it":           {memory.WithoutDrain()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			componenttest.Run(t, func(tb testing.TB) component.Component {
				tb.Helper()
				return newConsuming(tb, oo...)
			}, componenttest.WithBusy(keepBusy), componenttest.WithVirtualTime())
		})
	}
}

// A service that unwinds calls Run with a context that has ended. What is in a source that dies with the process is processed all the same while the grace
// period lasts, and counted after it; the source takes nothing more either way.
func TestARunThatIsStoppedBeforeItBeginsDrainsASourceThatDiesWithTheProcess(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		grace     time.Duration
		queued    []*async.Message
		processed int
		want      string
	}{
		"grace period":              {grace: time.Minute, queued: []*async.Message{keyed("1", "a"), keyed("2", "b")}, processed: 2},
		"no grace period":           {queued: []*async.Message{keyed("1", "a"), keyed("2", "b")}, want: "2 messages left"},
		"no grace period, no queue": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t)
				processed := 0
				c := newComponent(t, b, func(context.Context, *async.Message) error {
					processed++
					return nil
				})
				if err := b.Producer("q").Send(t.Context(), test.queued...); err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(component.WithGrace(t.Context(), test.grace, nil))
				stop()

				err := c.Run(ctx)

				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
					t.Errorf("Run: got %v, want %q", err, test.want)
				}
				if processed != test.processed {
					t.Errorf("got %d messages processed, want %d", processed, test.processed)
				}
				if err := b.Producer("q").Send(t.Context(), keyed("3", "a")); !errors.Is(err, async.ErrClosed) {
					t.Errorf("Send after the end: got %v, want ErrClosed", err)
				}
			})
		})
	}
}
