package log_test

import (
	"maps"
	"strings"
	"sync"
	"testing"

	plog "github.com/beatlabs/patron/log"
)

func TestSetupRefusesWhatMakesNoLogger(t *testing.T) {
	t.Parallel()
	err := plog.Setup(nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "factory is nil") {
		t.Errorf("a nil factory: got %v", err)
	}
	err = plog.Setup(func(map[string]any) plog.Logger { return nil }, nil)
	if err == nil || !strings.Contains(err.Error(), "nil Logger") {
		t.Errorf("a factory that returns nil: got %v", err)
	}
}

func TestSetupInstallsWhatTheFactoryMakes(t *testing.T) { // not parallel: the process default is changed
	defer plog.SetDefault(nil)
	first, second := &recorder{}, &recorder{}
	fields := map[string]any{"srv": "orders"}
	var got map[string]any

	setup(first)
	if err := plog.Setup(func(f map[string]any) plog.Logger {
		got = maps.Clone(f)
		f["srv"] = "changed"
		return second
	}, fields); err != nil {
		t.Fatal(err)
	}
	plog.Info("Hello world!")

	assertEqual(t, "field given to the factory", got["srv"], any("orders"))
	assertEqual(t, "the caller's map", fields["srv"], any("orders"))
	assertEqual(t, "the first logger", first.take(), "")
	assertEqual(t, "the second logger", second.take(), "Info: Hello world!")
}

func TestPackageFunctionsReachTheLoggerUnchanged(t *testing.T) { // not parallel: the process default is changed
	defer plog.SetDefault(nil)
	r := &recorder{}
	setup(r)

	plog.Debug("a", 1)
	plog.Debugf("%s", "b")
	plog.Info("c")
	plog.Infof("%d", 2)
	plog.Warn("d")
	plog.Warnf("%s", "e")
	plog.Error("f")
	plog.Errorf("%q", "g")

	assertEqual(t, "calls", r.take(), strings.Join([]string{
		"Debug: a1", "Debugf: b", "Info: c", "Infof: 2", "Warn: d", "Warnf: e", "Error: f", `Errorf: "g"`,
	}, "\n"))
}

func TestDefaultMayBeReplacedWhileItIsUsed(t *testing.T) { // not parallel: the process default is changed
	defer plog.SetDefault(nil)
	a, b := &recorder{}, &recorder{}
	setup(a)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				plog.Info("x")
				setup(b)
				_ = plog.Default().Level()
			}
		})
	}
	wg.Wait()
	total := strings.Count(a.take(), "x") + strings.Count(b.take(), "x")
	assertEqual(t, "lines", total, 400)
}

func TestTheBuiltInLoggerWritesFromInfo(t *testing.T) { // not parallel: the process default is changed
	plog.SetDefault(nil)
	defer plog.SetDefault(nil)
	assertEqual(t, "level", plog.Default().Level(), plog.InfoLevel)
	assertEqual(t, "debug", plog.Enabled(t.Context(), plog.DebugLevel), false)
	assertEqual(t, "info", plog.Enabled(t.Context(), plog.InfoLevel), true)

	plog.Default().SetLevel(plog.NoLevel)
	plog.Error("this line must not be seen")
	plog.SetDefault(nil)

	assertEqual(t, "level of a fresh one", plog.Default().Level(), plog.InfoLevel)
}

func TestSetDefaultOfTheZeroValueChangesNothing(t *testing.T) { // not parallel: the process default is changed
	defer plog.SetDefault(nil)
	r := &recorder{}
	setup(r)
	plog.SetDefault(&plog.Leveled{})
	plog.Info("x")
	assertEqual(t, "calls", r.take(), "Info: x")
}
