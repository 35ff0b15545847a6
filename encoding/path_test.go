package encoding_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/beatlabs/patron/encoding"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// resolve takes a pointer apart as RFC 6901 says.
func resolve(tb testing.TB, pointer string) []string {
	tb.Helper()
	if pointer == "" {
		return nil
	}
	if pointer[0] != '/' {
		tb.Fatalf("pointer %q: want a slash first", pointer)
	}
	tokens := strings.Split(pointer[1:], "/")
	for i, t := range tokens {
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
	}
	return tokens
}

func TestPointersAreThoseOfTheRFC(t *testing.T) {
	t.Parallel()
	for want, tokens := range map[string][]any{
		"":                    {},
		"/foo":                {"foo"},
		"/foo/0":              {"foo", 0},
		"/":                   {""},
		"/a~1b":               {"a/b"},
		"/c%d":                {"c%d"},
		"/m~0n":               {"m~n"},
		"/~01":                {"~1"},
		"/lines/12/unit~1net": {"lines", 12, "unit/net"},
		"/7":                  {uint8(7)},
	} {
		if got := encoding.Pointer(tokens...); got != want {
			t.Errorf("Pointer(%q): got %q, want %q", tokens, got, want)
		}
	}
}

func TestAPathIsWhereTheWalkStands(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var path encoding.Path
		var model []string
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			switch step := rapid.IntRange(0, 3).Draw(t, "step"); {
			case step == 0 && len(model) > 0:
				path.Pop()
				model = model[:len(model)-1]
			case step == 1:
				i := rapid.IntRange(0, 1000).Draw(t, "index")
				path.PushIndex(i)
				model = append(model, strconv.Itoa(i))
			default:
				name := rapid.StringMatching(`[a/~0-9]{0,4}`).Draw(t, "name")
				path.Push(name)
				model = append(model, name)
			}
		}
		tokens := make([]any, len(model))
		for i, m := range model {
			tokens[i] = m
		}
		if got, want := path.Pointer(), encoding.Pointer(tokens...); got != want {
			t.Fatalf("Pointer of %q: got %q, want %q", model, got, want)
		}
	})
}

func TestALongPointerIsCutAtAToken(t *testing.T) {
	t.Parallel()
	var path encoding.Path
	path.Push("a")
	path.Push(strings.Repeat("~", 300))
	if got := path.Pointer(); got != "/a" {
		t.Errorf("Pointer: got %q, want %q", got, "/a")
	}
	if got := path.Join("/b"); got != "/a/b" {
		t.Errorf("Join: got %q, want %q", got, "/a/b")
	}
	path.Pop()
	path.Push(strings.Repeat("x", 1<<20))
	if got := path.Pointer(); got != "/a" {
		t.Errorf("Pointer: got %q, want %q", got, "/a")
	}
}

func TestJoinTakesAPointerRelativeToThePlace(t *testing.T) {
	t.Parallel()
	var path encoding.Path
	path.Push("lines")
	path.PushIndex(3)
	for relative, want := range map[string]string{
		"":                             "/lines/3",
		"/quantity":                    "/lines/3/quantity",
		"quantity":                     "/lines/3/quantity",
		"/" + strings.Repeat("x", 600): "/lines/3",
	} {
		if got := path.Join(relative); got != want {
			t.Errorf("Join(%.20q): got %q, want %q", relative, got, want)
		}
	}
}

func TestAWalkWithoutFaultsAllocatesNothing(t *testing.T) {
	// not parallel: AllocsPerRun counts the allocations of the whole process
	if n := testing.AllocsPerRun(100, func() {
		var path encoding.Path
		for range 8 {
			path.Push("name")
		}
		path.Pop()
		path.PushIndex(1)
	}); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func FuzzPointer(f *testing.F) {
	f.Add("a", "b")
	f.Add("~1", "/~")
	f.Add("", "\x00")
	f.Fuzz(func(t *testing.T, a, b string) {
		pointer := encoding.Pointer(a, b)
		if diff := cmp.Diff([]string{a, b}, resolve(t, pointer)); diff != "" {
			t.Errorf("Pointer(%q, %q) = %q: want -, got +\n%s", a, b, pointer, diff)
		}
	})
}
