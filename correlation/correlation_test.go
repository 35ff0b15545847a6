package correlation_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/beatlabs/patron/correlation"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewIDsAreValidAndDiffer(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 1000 {
		id := correlation.New()
		if !correlation.Valid(id) || len(id) != 32 {
			t.Fatalf("New: got %q, want 32 valid characters", id)
		}
		if seen[id] {
			t.Fatalf("New: got %q twice", id)
		}
		seen[id] = true
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"":                        false,
		"a":                       true,
		"Az09._-":                 true,
		strings.Repeat("x", 128):  true,
		strings.Repeat("x", 129):  false,
		strings.Repeat("x", 10e3): false,
		"a b":                     false,
		"a\r\nSet-Cookie: x":      false,
		"a\x00":                   false,
		"\x1b[31m":                false,
		"é":                       false,
		"a/b":                     false,
	} {
		if got := correlation.Valid(id); got != want {
			t.Errorf("Valid(%.40q): got %t, want %t", id, got, want)
		}
	}
}

func TestContextCarriesTheID(t *testing.T) {
	t.Parallel()
	type key struct{}
	parent := context.WithValue(t.Context(), key{}, "kept")

	ctx := correlation.ContextWithID(parent, "abc")

	if got := correlation.IDFromContext(ctx); got != "abc" {
		t.Errorf("IDFromContext: got %q, want %q", got, "abc")
	}
	if got := ctx.Value(key{}); got != "kept" {
		t.Errorf("a value of the parent: got %v, want %q", got, "kept")
	}
	if got := correlation.IDFromContext(correlation.ContextWithID(ctx, "def")); got != "def" {
		t.Errorf("the inner ID: got %q, want %q", got, "def")
	}
	if got := correlation.IDFromContext(parent); got != "" {
		t.Errorf("a context without an ID: got %q, want the empty string", got)
	}
}

func TestAContextInMemoryOfTheCallersIsLikeOneThatWasMade(t *testing.T) {
	t.Parallel()
	type key struct{}
	parent := context.WithValue(t.Context(), key{}, "kept")
	var outer, inner correlation.Context

	ctx := inner.Init(outer.Init(parent, "abc"), "def")

	if got := correlation.IDFromContext(ctx); got != "def" {
		t.Errorf("the inner ID: got %q, want %q", got, "def")
	}
	if got := correlation.IDFromContext(&outer); got != "abc" {
		t.Errorf("the outer ID: got %q, want %q", got, "abc")
	}
	if got := ctx.Value(key{}); got != "kept" {
		t.Errorf("a value of the parent: got %v, want %q", got, "kept")
	}
}

func FuzzValid(f *testing.F) {
	for _, s := range []string{"", "abc", "a\nb", "é", strings.Repeat("x", 129), strings.Repeat("x", 128), "A-Z_09.", "a b", "\xffa", "a\u212a"} {
		f.Add(s)
	}
	grammar := regexp.MustCompile(`\A[A-Za-z0-9._-]{1,128}\z`)
	f.Fuzz(func(t *testing.T, id string) {
		if got, want := correlation.Valid(id), grammar.MatchString(id); got != want {
			t.Errorf("Valid(%q): got %t, want %t", id, got, want)
		}
		if got := correlation.IDFromContext(correlation.ContextWithID(t.Context(), id)); got != id {
			t.Errorf("IDFromContext: got %q, want %q", got, id)
		}
	})
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = correlation.New()
	}
}
