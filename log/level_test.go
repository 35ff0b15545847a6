package log_test

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"

	plog "github.com/beatlabs/patron/log"
)

func TestLevelsAscendAndHaveNames(t *testing.T) {
	t.Parallel()
	levels := slices.Collect(plog.Levels())
	want := []string{"debug", "info", "warn", "error", "fatal", "panic", "none"}
	if len(levels) != len(want) {
		t.Fatalf("Levels: got %v, want %v", levels, want)
	}
	if !slices.IsSorted(levels) {
		t.Errorf("Levels: got %v, want them to ascend", levels)
	}
	for i, l := range levels {
		assertEqual(t, "name", l.String(), want[i])
	}
	for range plog.Levels() {
		break // may stop early
	}
}

func TestLevelsBetweenNamesAreRelative(t *testing.T) {
	t.Parallel()
	for level, want := range map[plog.Level]string{
		plog.Level(-8): "debug-4", plog.Level(-3): "debug+1", 2: "info+2", 5: "warn+1", 9: "error+1", 13: "fatal+1", 17: "panic+1",
		plog.NoLevel + 1: "none",
	} {
		assertEqual(t, "String", level.String(), want)
	}
}

func TestLevelsAreThoseOfSlog(t *testing.T) {
	t.Parallel()
	assertEqual(t, "debug", slog.Level(plog.DebugLevel), slog.LevelDebug)
	assertEqual(t, "info", slog.Level(plog.InfoLevel), slog.LevelInfo)
	assertEqual(t, "warn", slog.Level(plog.WarnLevel), slog.LevelWarn)
	assertEqual(t, "error", slog.Level(plog.ErrorLevel), slog.LevelError)
	var zero plog.Level
	assertEqual(t, "zero value", zero, plog.InfoLevel)
}

func TestParseLevelIgnoresCase(t *testing.T) {
	t.Parallel()
	for want := range plog.Levels() {
		for _, s := range []string{want.String(), strings.ToUpper(want.String())} {
			got, err := plog.ParseLevel(s)
			if err != nil || got != want {
				t.Errorf("ParseLevel(%q): got %v and %v, want %v", s, got, err, want)
			}
		}
	}
}

func TestParseLevelNamesTheValueAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "verbose", "info ", "trace", "1", "info+2"} {
		_, err := plog.ParseLevel(s)
		if err == nil {
			t.Errorf("ParseLevel(%q): got no error", s)
			continue
		}
		assertEqual(t, "error", err.Error(), `level "`+s+`": want debug, info, warn, error, fatal, panic or none`)
	}
}

func TestLevelIsTextInJSON(t *testing.T) {
	t.Parallel()
	var got struct{ Level plog.Level }

	if err := json.Unmarshal([]byte(`{"level":"WARN"}`), &got); err != nil {
		t.Fatal(err)
	}
	assertEqual(t, "level", got.Level, plog.WarnLevel)

	text, err := json.Marshal(got)
	if err != nil || string(text) != `{"Level":"warn"}` {
		t.Errorf("Marshal: got %s and %v", text, err)
	}
	if err := json.Unmarshal([]byte(`{"level":"loud"}`), &got); err == nil {
		t.Error("an unknown level: got no error")
	}
	assertEqual(t, "level after an error", got.Level, plog.WarnLevel)
}

func TestLevelVarIsInfoUntilSet(t *testing.T) {
	t.Parallel()
	var v plog.LevelVar
	assertEqual(t, "zero value", v.String(), "info")
	v.SetLevel(plog.PanicLevel)
	assertEqual(t, "after SetLevel", v.Level(), plog.PanicLevel)
}

func FuzzParseLevel(f *testing.F) {
	for _, s := range []string{"", "info", "WARN", "none", "debug-4", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		level, err := plog.ParseLevel(s)
		want := slices.Contains([]string{"debug", "info", "warn", "error", "fatal", "panic", "none"}, strings.ToLower(s))
		if (err == nil) != want || err == nil && level.String() != strings.ToLower(s) {
			t.Errorf("ParseLevel(%q): got %v, %v, want an error: %t", s, level, err, !want)
		}
		var read plog.Level
		if readErr := read.UnmarshalText([]byte(s)); (readErr == nil) != want || want && read != level || !want && read != plog.InfoLevel {
			t.Errorf("UnmarshalText(%q): got %v, %v", s, read, readErr)
		}
	})
}
