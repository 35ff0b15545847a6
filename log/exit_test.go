package log_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/backendtest"
)

// childMode is the variable that makes this test binary a child that calls Fatal; see [TestMain].
const childMode = "PATRON_LOG_TEST_CHILD"

// brokenHandler panics instead of writing.
type brokenHandler struct{ slog.Handler }

func (brokenHandler) Handle(context.Context, slog.Record) error { panic("out of paper") }

// panickyLogger panics instead of exiting.
type panickyLogger struct{ recorder }

func (*panickyLogger) Fatal(...any) { panic("no") }
func (*panickyLogger) Panic(...any) { panic("something else") }

// fatalCalls are the ways to call Fatal, by name.
func fatalCalls() map[string]func() {
	silent := func() *plog.Leveled { return plog.New(plog.JSON(os.Stderr, plog.NewLevelVar(plog.NoLevel))) }
	broken := func() *plog.Leveled {
		return plog.New(plog.NewHandler(brokenHandler{slog.NewJSONHandler(io.Discard, nil)}, nil))
	}
	return map[string]func(){
		"before Setup":                 func() { plog.Fatal("the", " end") },
		"before Setup, f":              func() { plog.Fatalf("the %s", "end") },
		"Default":                      func() { plog.Default().Fatal("the end") },
		"Default, f":                   func() { plog.Default().Fatalf("the end") },
		"Sub":                          func() { plog.Sub(map[string]any{"a": 1}).Fatal("the end") },
		"FromContext":                  func() { plog.FromContext(context.Background()).Fatal("the end") },
		"silent: level none":           func() { silent().Fatal("the end") },
		"silent: level none, f":        func() { silent().Fatalf("the end") },
		"silent: broken backend":       func() { broken().Fatal("the end") },
		"silent: backend that forgets": func() { setup(&recorder{}); plog.Fatal("the end") },
		"silent: the same, f":          func() { setup(&recorder{}); plog.Fatalf("the end") },
		"silent: the same, Sub":        func() { plog.Wrap(&recorder{}).Sub(map[string]any{"a": 1}).Fatal("the end") },
		"silent: the same, context": func() {
			plog.FromContext(plog.WithContext(context.Background(), &recorder{})).Fatalf("the end")
		},
		"silent: logger that panics": func() { plog.SetDefault(&panickyLogger{}); plog.Fatal("the end") },
	}
}

func setup(l plog.Logger) {
	if err := plog.Setup(func(map[string]any) plog.Logger { return l }, nil); err != nil {
		panic(err)
	}
}

func child(mode string) { fatalCalls()[mode]() }

func TestFatalEndsTheProcess(t *testing.T) {
	t.Parallel()
	for name := range fatalCalls() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), childMode+"="+name)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr

			err := cmd.Run()

			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok || exit.ExitCode() != 1 {
				t.Fatalf("got %v, want exit status 1; stderr: %s", err, stderr.Bytes())
			}
			if strings.HasPrefix(name, "silent") {
				assertEqual(t, "stderr", stderr.String(), "")
				return
			}
			got := backendtest.Decode(t, stderr.Bytes())
			assertEqual(t, "message", got[plog.MessageKey], any("the end"))
			assertEqual(t, "level", got[plog.LevelKey], any("fatal"))
			if src, _ := got[plog.SourceKey].(string); !strings.HasPrefix(src, "log/exit_test.go:") {
				t.Errorf("source: got %q, want this file", src)
			}
		})
	}
}

func TestPanicPanicsWithTheMessage(t *testing.T) { // not parallel: the process default is changed
	defer plog.SetDefault(nil)
	for name, l := range map[string]plog.Logger{
		"JSON":                plog.New(plog.JSON(io.Discard, nil)),
		"level none":          plog.New(plog.JSON(io.Discard, plog.NewLevelVar(plog.NoLevel))),
		"broken backend":      plog.New(plog.NewHandler(brokenHandler{slog.NewJSONHandler(io.Discard, nil)}, nil)),
		"logger that forgets": &recorder{},
		"one that panics":     &panickyLogger{},
	} {
		plog.SetDefault(l)
		ctx := plog.WithContext(t.Context(), l)
		for how, call := range map[string]func(){
			"package":       func() { plog.Panic("order ", 1) },
			"package, f":    func() { plog.Panicf("order %d", 1) },
			"FromContext":   func() { plog.FromContext(ctx).Panic("order ", 1) },
			"FromContext,f": func() { plog.FromContext(ctx).Panicf("order %d", 1) },
			"Sub":           func() { plog.Sub(map[string]any{"a": 1}).Panic("order ", 1) },
			"Sub, f":        func() { plog.Sub(map[string]any{"a": 1}).Panicf("order %d", 1) },
		} {
			func() {
				defer func() { assertEqual(t, name+", "+how+": panic", recover(), any("order 1")) }()
				call()
			}()
		}
	}
}

func TestPanicWritesItsLineFirst(t *testing.T) {
	t.Parallel()
	l, out := newLogger(plog.PanicLevel)
	func() {
		defer func() { _ = recover() }()
		l.Panicf("order %d", 1)
	}()
	got := out.one(t)
	assertEqual(t, "message", got[plog.MessageKey], any("order 1"))
	assertEqual(t, "level", got[plog.LevelKey], any("panic"))
}

func TestSlogLevelsOfFatalAndPanicOnlyWrite(t *testing.T) {
	t.Parallel()
	l, out := newLogger(plog.InfoLevel)
	r := &recorder{}

	l.Slog().Log(t.Context(), slog.Level(plog.FatalLevel), "x")
	plog.Wrap(r).Slog().Log(t.Context(), slog.Level(plog.PanicLevel), "x")

	assertEqual(t, "level", out.one(t)[plog.LevelKey], any("fatal"))
	assertEqual(t, "a Logger of twelve methods", r.take(), "Error: x")
}
