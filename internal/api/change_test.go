package api

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shop reads a module with one of everything.
func shop(t *testing.T) []string {
	t.Helper()
	pp, err := Read(t.Context(), "testdata/shop")
	if err != nil {
		t.Fatal(err)
	}
	return Lines(pp)
}

func TestEveryKindOfSymbolHasItsLine(t *testing.T) {
	t.Parallel()
	got := strings.Join(shop(t), "\n") + "\n"
	if *write {
		if err := os.WriteFile("testdata/shop.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/shop.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("testdata/shop (-want +got):\n%s", diff)
	}
}

func TestReadSaysWhatIsWrongWithTheModule(t *testing.T) {
	t.Parallel()
	if _, err := Read(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "main module") {
		t.Errorf("a directory without a module: got %v, want an error that says so", err)
	}
}

func TestChangesAreBreakingOrAdditive(t *testing.T) {
	t.Parallel()
	lines := shop(t)
	without := func(prefix string) []string {
		left := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.HasPrefix(line, prefix) })
		if len(left) == len(lines) {
			t.Fatalf("no line begins with %q", prefix)
		}
		return left
	}
	with := func(was, is string) []string {
		changed := slices.Clone(lines)
		i := slices.IndexFunc(changed, func(line string) bool { return strings.Contains(line, was) })
		changed[i] = strings.Replace(changed[i], was, is, 1)
		return changed
	}
	for name, c := range map[string]struct {
		before, after      []string
		changes            int
		breaking, additive int
	}{
		"nothing":                        {lines, lines, 0, 0, 0},
		"a function is new":              {without("shop: func Sum"), lines, 1, 0, 1},
		"a function is gone":             {lines, without("shop: func Sum"), 1, 1, 0},
		"a field is new":                 {without("shop: type Shelf[T comparable, U any] struct, Any"), lines, 1, 0, 1},
		"a field has another type":       {lines, with("struct, Any any", "struct, Any int"), 1, 1, 0},
		"a field is renamed":             {lines, with("struct, Any any", "struct, Some any"), 2, 1, 1},
		"a constant has another value":   {lines, with("Open State = 3", "Open State = 4"), 1, 1, 0},
		"a receiver becomes a pointer":   {lines, with("method (State) String", "method (*State) String"), 1, 1, 0},
		"a struct cannot be compared":    {lines, without("shop: type Shop struct, comparable"), 1, 1, 0},
		"a parameter is added":           {lines, with("Put(T, U)", "Put(T, U, int)"), 1, 1, 0},
		"an interface asks for a method": {lines, append(with("{ Close, Next }", "{ Close, Next, Peek }"), "shop: type Source interface, Peek()"), 2, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cc := Compare(c.before, c.after)
			breaking := 0
			for _, change := range cc {
				if change.Breaking() {
					breaking++
				}
			}
			if len(cc) != c.changes || breaking != c.breaking || len(cc)-breaking != c.additive {
				t.Errorf("got %d breaking of %d: %v; want %d breaking and %d additive in %d", breaking, len(cc), cc, c.breaking, c.additive, c.changes)
			}
		})
	}
}

func TestTheReportSaysWhatAChangeMeansAndHowToAcceptIt(t *testing.T) {
	t.Parallel()
	const want = `the exported API is not what api.txt says

BREAKING: what uses these may no longer compile, or mean something else
  - p: func A()
  - p: func B(int)
  + p: func B(string)

additive: these are new
  + p: type C struct

If that is meant, accept it with

	make generate

and say in CHANGELOG.md what users see.
`
	cc := Compare([]string{"p: func A()", "p: func B(int)"}, []string{"p: func B(string)", "p: type C struct"})
	if diff := cmp.Diff(want, Report(cc, "make generate")); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if got := Report(nil, "make generate"); got != "" {
		t.Errorf("without changes: got %q, want nothing", got)
	}
}
