package snippet

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What programs show comes first, then the guides that show it.
//go:generate go test -C ../../examples -count=1 ./guides/hello ./guides/shop ./guides/watched ./guides/counter ./guides/consume ./guides/control ./guides/pause ./guides/brokers -run Guide -args -update
//go:generate go test -run ^TestTheGuidesShowCodeThatIsCompiled$ -count=1 . -args -write

var write = flag.Bool("write", false, "write the blocks of the guides anew")

const root = "../.."

func TestTheGuidesShowCodeThatIsCompiled(t *testing.T) {
	t.Parallel()
	guides, err := Guides(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(guides) < 2 {
		t.Fatalf("got the guides %v, want some", guides)
	}
	for _, guide := range guides {
		text, faults, err := Rewrite(root, guide)
		if err != nil {
			t.Fatal(err)
		}
		if *write {
			if err := os.WriteFile(filepath.Join(root, guide), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, faults, err = Rewrite(root, guide); err != nil {
				t.Fatal(err)
			}
		}
		for _, fault := range faults {
			t.Error(fault)
		}
	}
	if t.Failed() {
		t.Log("go generate ./internal/snippet writes the blocks anew from their sources")
	}
}

const code = `package p

// snippet: all

// F calls.
func F() {
	// snippet: inner
	if true {
		G()
	}
	// end snippet
}

// end snippet

// snippet: statement

func G() {}
// end snippet
`

const example = `package p

func ExampleF() {
	F()
	// Output: f
}
`

// tree writes files and returns where.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBlocksAreRewrittenFromTheirSources(t *testing.T) {
	t.Parallel()
	const (
		guide = "# A\n\n<!-- snippet: x/p.go#inner -->\n```go\nif true {\n    G( )\n}\n```\n\n<!-- snippet: x/p.go#all -->\n```go\nold\n```\n\n" +
			"````md\n```go\nno block of ours\n```\n````\n\n<!-- snippet: x/out.txt -->\n```console\nold\n```\n\n```sh\nmake\n```\n"
		want = "# A\n\n<!-- snippet: x/p.go#inner -->\n```go\nif true {\n    G( )\n}\n```\n\n" +
			"<!-- snippet: x/p.go#all -->\n```go\n// F calls.\nfunc F() {\n\tif true {\n\t\tG()\n\t}\n}\n```\n\n" +
			"````md\n```go\nno block of ours\n```\n````\n\n<!-- snippet: x/out.txt -->\n```console\n  $ make\nok\n```\n\n```sh\nmake\n```\n"
	)
	dir := tree(t, map[string]string{"docs/guides/a.md": guide, "x/p.go": code, "x/out.txt": "  $ make\nok\n\n", "README.md": want})

	got, faults, err := Rewrite(dir, "docs/guides/a.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the guide (-want +got):\n%s", diff)
	}
	wrong := []string{"docs/guides/a.md:11: the block is not what x/p.go#all has now", "docs/guides/a.md:22: the block is not what x/out.txt has now"}
	if !cmp.Equal(wrong, faults) {
		t.Errorf("faults: got %q, want %q", faults, wrong)
	}
	again, faults, err := Rewrite(dir, "README.md")
	if err != nil || len(faults) > 0 || again != want {
		t.Errorf("what was rewritten has the faults %q, %v", faults, err)
	}
}

func TestFaultsOfGuidesAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ guide, want string }{
		"a block without a source":    {"```go\nF()\n```\n", "a.md:1: a block of Go without a source"},
		"a file that is not there":    {"\n<!-- snippet: q.go#all -->\n```go\nF()\n```\n", "a.md:2: snippet q.go#all: open"},
		"a name that is not there":    {"<!-- snippet: p.go#none -->\n```go\nF()\n```\n", `a.md:1: snippet p.go#none: the file has no "// snippet: none"`},
		"a path that leads out":       {"<!-- snippet: ../p.go#all -->\n```go\nF()\n```\n", "want a path from the root"},
		"a marker without a block":    {"<!-- snippet: p.go#all -->\n\n```go\nF()\n```\n", "a.md:1: snippet p.go#all: no block follows"},
		"a marker at the end":         {"<!-- snippet: p.go#all -->", "a.md:1: snippet p.go#all: no block follows"},
		"a marker that is wrong":      {"<!-- snippet p.go -->\n```sh\n```\n", "a.md:1: got \"<!-- snippet p.go -->\""},
		"a block without an end":      {"```sh\nF()\n", "a.md:1: the block has no end"},
		"the output of an example":    {"<!-- snippet: p_test.go#ExampleF() -->\n```text\nf\n```\n", ""},
		"another output":              {"<!-- snippet: p_test.go#ExampleF() -->\n```text\ng\n```\n", "a.md:2: the block is not what p_test.go#ExampleF() has now"},
		"no such example":             {"<!-- snippet: p_test.go#ExampleG() -->\n```text\ng\n```\n", "the file has no ExampleG with an output"},
		"another indentation is none": {"<!-- snippet: p.go#inner -->\n```go\n\tif true {\n\t\tG()\n\t}\n```\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, map[string]string{"a.md": c.guide, "p.go": code, "p_test.go": example})
			text, faults, err := Rewrite(dir, "a.md")
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(faults, "\n"); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if text != c.guide && name != "another output" {
				t.Errorf("the guide was changed to %q", text)
			}
		})
	}
}

func TestFaultsOfSourcesAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"no end":       {"// snippet: a\nF()\n", `"// snippet: a" has no end`},
		"no beginning": {"F()\n// end snippet\n", `"// end snippet" without a beginning`},
		"twice":        {"// snippet: a\nF()\n// end snippet\n// snippet: a\nG()\n// end snippet\n", "two of that name"},
		"nothing":      {"// snippet: a\n\n// end snippet\n", "nothing is in it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := extract(c.text, "a"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q and %v, want an error with %q", got, err, c.want)
			}
		})
	}
}
