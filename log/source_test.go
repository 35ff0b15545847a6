package log_test

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"testing"
	"time"

	plog "github.com/beatlabs/patron/log"
)

// here returns the source of the line it is called from.
func here() string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("log/%s:%d", path.Base(file), line)
}

func TestSourceIsTheCaller(t *testing.T) { // not parallel: the process default is changed
	l, out := newLogger(plog.DebugLevel)
	plog.SetDefault(l)
	defer plog.SetDefault(nil)
	ctx := plog.WithContext(t.Context(), l)
	var iface plog.Logger = l
	for name, call := range map[string]func() string{
		"Debug":  func() string { l.Debug("x"); return here() },
		"Debugf": func() string { l.Debugf("x"); return here() },
		"Info":   func() string { l.Info("x"); return here() },
		"Infof":  func() string { l.Infof("x"); return here() },
		"Warn":   func() string { l.Warn("x"); return here() },
		"Warnf":  func() string { l.Warnf("x"); return here() },
		"Error":  func() string { l.Error("x"); return here() },
		"Errorf": func() string { l.Errorf("x"); return here() },
		"Panic":  func() string { panicked(func() { l.Panic("x") }); return here() },
		"Panicf": func() string { panicked(func() { l.Panicf("x") }); return here() },

		"package Debug":  func() string { plog.Debug("x"); return here() },
		"package Debugf": func() string { plog.Debugf("x"); return here() },
		"package Info":   func() string { plog.Info("x"); return here() },
		"package Infof":  func() string { plog.Infof("x"); return here() },
		"package Warn":   func() string { plog.Warn("x"); return here() },
		"package Warnf":  func() string { plog.Warnf("x"); return here() },
		"package Error":  func() string { plog.Error("x"); return here() },
		"package Errorf": func() string { plog.Errorf("x"); return here() },
		"package Panic":  func() string { panicked(func() { plog.Panic("x") }); return here() },
		"package Panicf": func() string { panicked(func() { plog.Panicf("x") }); return here() },

		"interface":         func() string { iface.Info("x"); return here() },
		"method value":      func() string { f := iface.Infof; f("x"); return here() },
		"Sub":               func() string { l.Sub(map[string]any{"a": 1}).Info("x"); return here() },
		"package Sub":       func() string { plog.Sub(map[string]any{"a": 1}).Info("x"); return here() },
		"FromContext":       func() string { plog.FromContext(ctx).Info("x"); return here() },
		"FromContext, none": func() string { plog.FromContext(context.Background()).Infof("x"); return here() },
		"Slog":              func() string { plog.Slog(ctx).InfoContext(ctx, "x"); return here() },
		"Slog with group":   func() string { plog.Slog(ctx).With("a", 1).WithGroup("g").InfoContext(ctx, "x", "b", 1); return here() },
		"Handler":           func() string { slog.New(plog.Handler()).InfoContext(ctx, "x"); return here() },
		"deferred":          func() string { defer l.Info("x"); return here() },
	} {
		want := call()
		assertEqual(t, name, out.one(t)[plog.SourceKey], any(want))
	}
}

func panicked(f func()) {
	defer func() { _ = recover() }()
	f()
}

func TestSourceOfSlogIsThatOfTheRecord(t *testing.T) {
	t.Parallel()
	l, out := newLogger(plog.InfoLevel)
	pc, _, line, _ := runtime.Caller(0)
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "of another place", pc)
	if err := l.Handler().Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	assertEqual(t, "source", out.one(t)[plog.SourceKey], any(fmt.Sprintf("log/source_test.go:%d", line)))
}
