package log_test

import (
	"testing"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
)

// Counting allocations is not possible while other tests run, hence no t.Parallel.

func TestADisabledLineAllocatesNothing(t *testing.T) { // not parallel: counts allocations
	l, _ := newLogger(plog.ErrorLevel)
	plog.SetDefault(l)
	defer plog.SetDefault(nil)
	ctx := correlation.ContextWithID(plog.WithContext(t.Context(), l), "c-1")
	var iface plog.Logger = l
	for name, f := range map[string]func(){
		"package function": func() { plog.Debug("order") },
		"and with format":  func() { plog.Debugf("order %d", 1) },
		"method":           func() { l.Debugf("order %s", "a") },
		"interface":        func() { iface.Debugf("order") },
		"slog":             func() { plog.Slog(ctx).DebugContext(ctx, "order", "invoice", "a") },
		"Enabled":          func() { _ = plog.Enabled(ctx, plog.DebugLevel) },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

func TestTakingALoggerFromTheContextIsCheap(t *testing.T) { // not parallel: counts allocations
	l, _ := newLogger(plog.ErrorLevel)
	ctx := correlation.ContextWithID(plog.WithContext(t.Context(), l), "c-1")

	if got := testing.AllocsPerRun(100, func() { plog.FromContext(ctx).Infof("order") }); got > 1 {
		t.Errorf("FromContext: got %v allocations, want at most 1", got)
	}
	if got := testing.AllocsPerRun(100, func() { _ = plog.WithContext(ctx, l) }); got > 1 {
		t.Errorf("WithContext: got %v allocations, want at most 1", got)
	}
}
