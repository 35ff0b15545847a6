package log_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/backendtest"
	oteltrace "go.opentelemetry.io/otel/trace"
)

func TestTheLoggerOfTheContextComesFirst(t *testing.T) { // not parallel: the process default is changed
	defer plog.SetDefault(nil)
	process, processOut := newLogger(plog.InfoLevel)
	own, ownOut := newLogger(plog.InfoLevel)
	plog.SetDefault(process)
	ctx := context.WithValue(plog.WithContext(t.Context(), own), "k", "v") //nolint:revive,staticcheck // any key will do

	plog.FromContext(ctx).Info("own")
	plog.Slog(ctx).InfoContext(ctx, "own")
	plog.FromContext(t.Context()).Info("process")
	plog.Slog(t.Context()).InfoContext(ctx, "process")
	plog.Slog(nil).Info("process")        //nolint:staticcheck // a nil context must not crash
	plog.FromContext(nil).Info("process") //nolint:staticcheck // nor here

	assertEqual(t, "lines of the context's logger", len(ownOut.take(t)), 2)
	for _, line := range processOut.take(t) {
		assertEqual(t, "message", line[plog.MessageKey], any("process"))
	}
}

func TestTwoServicesInOneProcessDoNotMix(t *testing.T) {
	t.Parallel()
	orders, ordersOut := newLogger(plog.InfoLevel)
	stock, stockOut := newLogger(plog.InfoLevel)
	ordersCtx, stockCtx := plog.WithContext(t.Context(), orders), plog.WithContext(t.Context(), stock)
	shared := slog.New(plog.Handler()).With("lib", "shared")

	shared.InfoContext(ordersCtx, "orders")
	stock.SetLevel(plog.ErrorLevel)
	shared.InfoContext(stockCtx, "below the level")
	shared.ErrorContext(stockCtx, "stock")
	shared.WithGroup("g").InfoContext(ordersCtx, "orders", "a", 1)

	for _, line := range ordersOut.take(t) {
		assertEqual(t, "message", line[plog.MessageKey], any("orders"))
		assertEqual(t, "lib", line["lib"], any("shared"))
	}
	assertEqual(t, "message", stockOut.one(t)[plog.MessageKey], any("stock"))
}

func TestFromContextAddsTheIDsOfItsContext(t *testing.T) {
	t.Parallel()
	l, out := newLogger(plog.InfoLevel)
	ctx := plog.WithContext(t.Context(), l.Sub(map[string]any{"requestID": "7"}))
	ctx = correlation.ContextWithID(ctx, backendtest.CorrelationID) // both after WithContext
	ctx = oteltrace.ContextWithSpanContext(ctx, backendtest.SpanContext())

	plog.FromContext(ctx).Infof("request processed")
	plog.Wrap(plog.FromContext(ctx)).Sub(map[string]any{"a": 1}).Info("a child keeps the context")
	plog.Slog(ctx).InfoContext(ctx, "slog")

	for _, line := range out.take(t) {
		assertEqual(t, "requestID", line["requestID"], any("7"))
		assertEqual(t, "correlation ID", line[plog.CorrelationIDKey], any(backendtest.CorrelationID))
		assertEqual(t, "trace ID", line[plog.TraceIDKey], any(backendtest.TraceID))
		assertEqual(t, "span ID", line[plog.SpanIDKey], any(backendtest.SpanID))
	}
	l.Info("no context, no IDs")
	if _, ok := out.one(t)[plog.CorrelationIDKey]; ok {
		t.Error("the logger itself: got a correlation ID, want none")
	}
}

func TestWithContextOfNilKeepsTheLogger(t *testing.T) {
	t.Parallel()
	l, out := newLogger(plog.InfoLevel)
	ctx := plog.WithContext(plog.WithContext(t.Context(), l), nil)
	plog.FromContext(ctx).Info("x")
	out.one(t)
}

func TestTheZeroLeveledIsTheLoggerOfTheProcess(t *testing.T) { // not parallel: the process default is changed
	defer plog.SetDefault(nil)
	var zero plog.Leveled
	ctx := plog.WithContext(t.Context(), &zero)
	l, out := newLogger(plog.InfoLevel)
	plog.SetDefault(l)

	zero.Info("x")
	plog.Wrap(nil).Infof("x")
	(*plog.Leveled)(nil).Warn("x")
	plog.FromContext(ctx).Error("x")

	assertEqual(t, "lines", len(out.take(t)), 4)
}

func TestSubNeverTouchesTheMapAndTheChildWins(t *testing.T) {
	t.Parallel()
	l, out := newLogger(plog.InfoLevel)
	fields := map[string]any{"a": "child", "c": 1}

	parent := plog.Wrap(l.Sub(map[string]any{"a": "parent", "b": 1}))
	child := parent.Sub(fields)
	fields["c"] = "changed later"
	child.Info("x")
	parent.Info("x")
	plog.Wrap(child).Sub(nil).Info("x")

	got := out.take(t)
	assertEqual(t, "a of the child", got[0]["a"], any("child"))
	assertEqual(t, "b of the child", got[0]["b"], any(1.0))
	assertEqual(t, "c of the child", got[0]["c"], any(1.0))
	assertEqual(t, "a of the parent", got[1]["a"], any("parent"))
	assertEqual(t, "a of a child without fields", got[2]["a"], any("child"))
	assertEqual(t, "size of the map", len(fields), 2)
}

func TestTheLevelIsSharedByAllSides(t *testing.T) {
	t.Parallel()
	l, out := newLogger(plog.InfoLevel)
	ctx := plog.WithContext(t.Context(), l)
	child := plog.Wrap(l.Sub(map[string]any{"a": 1}))

	setter, ok := plog.FromContext(ctx).(plog.LevelSetter)
	if !ok {
		t.Fatal("FromContext: got no LevelSetter")
	}
	setter.SetLevel(plog.DebugLevel)

	child.Debug("x")
	plog.Slog(ctx).DebugContext(ctx, "x")
	assertEqual(t, "lines", len(out.take(t)), 2)
	assertEqual(t, "level of the child", child.Level(), plog.DebugLevel)
	assertEqual(t, "enabled for slog", child.Slog().Enabled(ctx, slog.LevelDebug), true)
	assertEqual(t, "enabled", child.Enabled(plog.DebugLevel) && plog.Enabled(ctx, plog.DebugLevel), true)

	child.SetLevel(plog.ErrorLevel)
	l.Warn("below")
	assertEqual(t, "lines", len(out.take(t)), 0)
}
