package log_test

import (
	"testing"

	plog "github.com/beatlabs/patron/log"
	"github.com/google/go-cmp/cmp"
)

// forgeries are strings that have broken a log somewhere.
func forgeries() []string {
	return []string{
		"a\n{\"lvl\":\"info\",\"msg\":\"forged\"}", "a\r\nb", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "\u009b31m", "\u0085next line", "\x00", "\x7f",
		"\u2028", "\u2029", "\u202egnp.exe", "\u2066", `","lvl":"error`, "\\", "\xff\xfe",
	}
}

func TestNothingThatIsLoggedForgesALine(t *testing.T) {
	t.Parallel()
	l, out := newLogger(plog.InfoLevel)
	for _, s := range forgeries() {
		l.Info(s)
		l.Infof("%s", s)
		l.Sub(map[string]any{s: s, "nested": map[string]any{s: s}}).Info("x")
		l.Slog().Info(s, s, s, "any", []string{s}, "err", forgedError(s))
		l.Slog().WithGroup(s).Info("x", s, s)
	}
	out.take(t) // decodes every line
}

type forgedError string

func (e forgedError) Error() string { return string(e) }

func TestWhatIsEscapedDecodesToWhatWasLogged(t *testing.T) {
	t.Parallel()
	l, out := newLogger(plog.InfoLevel)
	for _, s := range []string{"a\nb", "\x1b[31m", "\u009b", "\u2028\u202e", "größe мир 😀"} {
		l.Info(s)
		if diff := cmp.Diff(s, out.one(t)[plog.MessageKey]); diff != "" {
			t.Errorf("message (-want +got):\n%s", diff)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range forgeries() {
		f.Add(s, "key", s)
	}
	f.Fuzz(func(t *testing.T, msg, key, value string) {
		l, out := newLogger(plog.InfoLevel)
		l.Slog().With(key, value).Info(msg, key, value, "list", []string{value})
		l.Sub(map[string]any{key: value}).Info(msg)
		if n := len(out.take(t)); n != 2 {
			t.Errorf("got %d lines, want 2", n)
		}
	})
}
