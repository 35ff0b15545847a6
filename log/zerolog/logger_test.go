package zerolog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/correlation"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/backendtest"
	pzerolog "github.com/beatlabs/patron/log/zerolog"
	"github.com/google/go-cmp/cmp"
)

func TestNewNamesEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	for name, makeIt := range map[string]func() error{
		"New": func() error {
			_, err := pzerolog.New(nil, plog.InfoLevel, nil, nil, pzerolog.WithFormat(7))
			return err
		},
		"Factory": func() error {
			_, err := pzerolog.Factory(nil, plog.InfoLevel, nil, pzerolog.WithFormat(7))
			return err
		},
	} {
		err := makeIt()
		if err == nil {
			t.Errorf("%s: got no error", name)
			continue
		}
		assertEqual(t, name, err.Error(), "log: writer is nil\noption 0 is nil\nlog format 7: want json or text")
	}
}

func TestFactoryServesSetup(t *testing.T) { // not parallel: the process default is changed
	defer plog.SetDefault(nil)
	var buf bytes.Buffer
	factory, err := pzerolog.Factory(&buf, plog.InfoLevel)
	if err != nil {
		t.Fatal(err)
	}

	if err := plog.Setup(factory, map[string]any{"srv": "orders"}); err != nil {
		t.Fatal(err)
	}
	_, file, line, _ := runtime.Caller(0)
	plog.Info("Hello world!")

	got := backendtest.Decode(t, buf.Bytes())
	assertEqual(t, "srv", got["srv"], any("orders"))
	assertEqual(t, "src", got["src"], any(fmt.Sprintf("zerolog/%s:%d", path.Base(file), line+1)))
}

func TestALineHasItsFieldsInOrder(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	h := mustNew(&buf, plog.InfoLevel, map[string]any{"srv": "orders", "ver": "1.0", "host": "h"}).Handler()
	at := time.Date(2010, 12, 1, 8, 26, 0, 123456789, time.FixedZone("CET", 3600))
	r := slog.NewRecord(at, slog.LevelWarn, "order accepted", 0)
	r.AddAttrs(
		slog.String("s", "a\"b"), slog.Int("i", -1), slog.Uint64("u", math.MaxUint64), slog.Bool("b", true), slog.Float64("f", 1.5),
		slog.Float64("big", 1e21), slog.Float64("small", 1e-7), slog.Float64("zero", 0), slog.Float64("nan", math.NaN()), slog.Float64("inf", math.Inf(-1)),
		slog.Duration("d", 1500*time.Microsecond), slog.Time("t", at), slog.Any("err", errors.New("gone")), slog.Any("bytes", []byte("x\n")),
		slog.Any("list", []string{"<a>", "b"}), slog.Any("null", nil), slog.Group("g", "a", 1, slog.Group("h", "b", 2)),
	)

	if err := h.Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}

	want := `{"lvl":"warn","time":"2010-12-01T07:26:00.123456789Z","msg":"order accepted","host":"h","srv":"orders","ver":"1.0",` +
		`"s":"a\"b","i":-1,"u":18446744073709551615,"b":true,"f":1.5,"big":1e+21,"small":1e-07,"zero":0,"nan":"NaN","inf":"-Inf",` +
		`"d":0.0015,"t":"2010-12-01T07:26:00.123456789Z","err":"gone","bytes":"x\n","list":["<a>","b"],"null":null,"g":{"a":1,"h":{"b":2}}}` + "\n"
	if diff := cmp.Diff(want, buf.String()); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

func TestFieldsAreEncodedWhenTheyAreBound(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	value := map[string]int{"a": 1}
	l := mustNew(&buf, plog.InfoLevel, nil).Sub(map[string]any{"value": value})
	value["a"] = 2

	l.Info("x")

	if diff := cmp.Diff(map[string]any{"a": 1.0}, backendtest.Decode(t, buf.Bytes())["value"]); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}
}

// writes counts how often it is called.
type writes struct {
	mu  sync.Mutex // guards n and buf
	n   int
	buf bytes.Buffer
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	return w.buf.Write(p)
}

func TestALineIsOneWriteFromEveryGoroutine(t *testing.T) {
	t.Parallel()
	for _, format := range []pzerolog.Format{pzerolog.JSON, pzerolog.Text} {
		w := &writes{}
		l := mustNew(w, plog.InfoLevel, map[string]any{"srv": "orders"}, pzerolog.WithFormat(format))
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				own := l.Sub(map[string]any{"worker": i})
				for n := range 50 {
					own.Infof("line %d\nof many", n)
					l.Slog().Info("from slog", "n", n, "long", strings.Repeat("x", 1000))
				}
			})
		}
		wg.Wait()
		assertEqual(t, format.String()+": writes", w.n, 800)
		assertEqual(t, format.String()+": lines", strings.Count(w.buf.String(), "\n"), 800)
	}
}

func TestFatalEndsTheProcessAfterItsLine(t *testing.T) {
	t.Parallel()
	for _, level := range []plog.Level{plog.InfoLevel, plog.NoLevel} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childMode+"="+level.String())
		var stderr bytes.Buffer
		cmd.Stderr = &stderr

		err := cmd.Run()

		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
			t.Errorf("level %v: got %v, want exit status 1", level, err)
		}
		assertEqual(t, "lines at level "+level.String(), strings.Count(stderr.String(), `"msg":"the end"`), map[bool]int{true: 1, false: 0}[level == plog.InfoLevel])
	}
}

func TestPanicPanicsWhateverTheLevel(t *testing.T) {
	t.Parallel()
	for _, level := range []plog.Level{plog.InfoLevel, plog.NoLevel} {
		func() {
			defer func() { assertEqual(t, "panic at level "+level.String(), recover(), any("order 1")) }()
			mustNew(io.Discard, level, nil).Panicf("order %d", 1)
		}()
	}
}

func TestALineAllocatesNothingOfItsOwn(t *testing.T) { // not parallel: counts allocations
	l := mustNew(io.Discard, plog.InfoLevel, nil)
	sub, s := l.Sub(map[string]any{"a": 1, "b": "x"}), l.Slog()
	ctx := spanContext(correlation.ContextWithID(t.Context(), "c-1"))
	now := time.Now()
	for name, f := range map[string]func(){
		"Infof": func() { sub.Infof("order") },
		"slog": func() {
			s.InfoContext(ctx, "order", "customer", "17850", "invoice", "536365", "lines", 7, "value", 139.12, "paid", true)
		},
		"attributes": func() {
			s.LogAttrs(ctx, slog.LevelInfo, "order", slog.String("customer", "größe\n"), slog.Duration("took", time.Second), slog.Time("at", now),
				slog.Uint64("n", 1), slog.Float64("value", 139.12))
		},
		"disabled": func() { s.DebugContext(ctx, "order", "customer", "17850", "lines", 7) },
		"disabled attributes": func() {
			s.LogAttrs(ctx, slog.LevelDebug, "order", slog.String("customer", "17850"), slog.Int("lines", 7))
		},
		"disabled Debugf": func() { l.Debugf("order %s", "17850") }, // through an interface its arguments would go to the heap
	} {
		f()
		if got := testing.AllocsPerRun(200, f); got > 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

func TestALineThatIsNotPlainSaysTheSame(t *testing.T) {
	t.Parallel()
	for name, attrs := range map[string][]slog.Attr{
		"plain":       {slog.String("a", "1"), slog.Int("b", 2)},
		"key twice":   {slog.String("a", "0"), slog.String("a", "1"), slog.Int("b", 2)},
		"no group":    {slog.String("a", "1"), slog.Int("b", 2), slog.Group("none")},
		"no key":      {slog.Group("", slog.String("a", "1"), slog.Int("b", 2))},
		"nothing":     {slog.String("a", "1"), {}, slog.Int("b", 2)},
		"bound twice": {slog.String("bound", "x"), slog.String("a", "1"), slog.Int("b", 2)},
	} {
		var buf bytes.Buffer
		h := mustNew(&buf, plog.InfoLevel, map[string]any{"bound": "x"}).Handler()
		r := slog.NewRecord(time.Unix(0, 1), slog.LevelInfo, "order", 0)
		r.AddAttrs(attrs...)
		if err := h.Handle(spanContext(t.Context()), r); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"lvl": "info", "time": "1970-01-01T00:00:00.000000001Z", "msg": "order", "bound": "x", "a": "1", "b": 2.0,
			"trace_id": "01020300000000000000000000000000", "span_id": "0405060000000000",
		}
		if diff := cmp.Diff(want, backendtest.Decode(t, buf.Bytes())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFormatsHaveNames(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]pzerolog.Format{"json": pzerolog.JSON, "TEXT": pzerolog.Text} {
		got, err := pzerolog.ParseFormat(s)
		if err != nil || got != want {
			t.Errorf("ParseFormat(%q): got %v and %v, want %v", s, got, err, want)
		}
	}
	if _, err := pzerolog.ParseFormat("xml"); err == nil || err.Error() != `log format "xml": want json or text` {
		t.Errorf("ParseFormat(xml): got %v", err)
	}
	assertEqual(t, "an unknown format", pzerolog.Format(7).String(), "format 7")
}
