package law_test

import (
	"flag"
	"fmt"
	"go/doc"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run ^TestThePictureIsCurrent$ -count=1 . -args -write

var write = flag.Bool("write", false, "write docs/architecture.md anew")

const pictureFile = "../../docs/architecture.md"

func TestThePictureIsCurrent(t *testing.T) {
	t.Parallel()
	want := picture(t, house(t))
	if *write {
		if err := os.WriteFile(pictureFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(pictureFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/architecture.md is stale, make it anew with go generate ./internal/law (-want +got):\n%s", diff)
	}
}

// Go forbids circles between packages. Between directories it does not, and there they hurt as much: neither can be understood without the other.
func TestDirectoriesHaveNoCircle(t *testing.T) {
	t.Parallel()
	if _, circle := layers(between(house(t), area)); len(circle) > 0 {
		t.Errorf("these directories import each other in a circle: %v", circle)
	}
}

func TestLayers(t *testing.T) {
	t.Parallel()
	g := graph{"a": {"b", "c"}, "b": {"c"}, "c": nil, "d": {"c"}}
	got, circle := layers(g)
	if diff := cmp.Diff([][]string{{"a"}, {"b", "d"}, {"c"}}, got); diff != "" || len(circle) > 0 {
		t.Errorf("circle %v, layers (-want +got):\n%s", circle, diff)
	}
	if diff := cmp.Diff(graph{"a": {"b"}, "b": {"c"}, "c": nil, "d": {"c"}}, g.reduced()); diff != "" {
		t.Errorf("reduced (-want +got):\n%s", diff)
	}
	g["c"] = []string{"a"}
	if _, circle := layers(g); !cmp.Equal([]string{"a", "b", "c", "d"}, circle) {
		t.Errorf("got the circle %v, want all that is in it or above it", circle)
	}
}

// graph says what a node imports, sorted.
type graph map[string][]string

// between returns the imports between our packages that are not internal, each put under the name that by gives it.
func between(h *tree, by func(own string) string) graph {
	g := make(graph)
	for _, p := range h.own {
		if strings.HasPrefix(p.path(), "internal/") {
			continue
		}
		from := by(owner(p.path()))
		g[from] = append(g[from], nil...)
		for _, imported := range p.Imports {
			own := owner(ownPath(imported))
			if own == "" || strings.HasPrefix(own, "internal/") {
				continue
			}
			if to := by(own); to != from && !slices.Contains(g[from], to) {
				g[from] = append(g[from], to)
			}
		}
		slices.Sort(g[from])
	}
	return g
}

// area is the top directory of a package.
func area(own string) string {
	top, _, _ := strings.Cut(own, "/")
	return top
}

// layers puts each node above all that it imports, and as low as that allows; the top layer comes first. What cannot be placed is a circle, or above one.
func layers(g graph) (tops [][]string, circle []string) {
	height := make(map[string]int)
	for range g {
		for node, imports := range g {
			placed, h := true, 0
			for _, to := range imports {
				below, ok := height[to]
				placed, h = placed && ok, max(h, below+1)
			}
			if placed {
				height[node] = h
			}
		}
	}
	for _, node := range slices.Sorted(maps.Keys(g)) {
		h, ok := height[node]
		if !ok {
			circle = append(circle, node)
			continue
		}
		for len(tops) <= h {
			tops = append(tops, nil)
		}
		tops[h] = append(tops[h], node)
	}
	slices.Reverse(tops)
	return tops, circle
}

// reduced leaves out what is imported through something else as well, so that the picture has no more arrows than it needs.
func (g graph) reduced() graph {
	var reaches func(from, to string) bool
	reaches = func(from, to string) bool {
		return slices.ContainsFunc(g[from], func(next string) bool { return next == to || reaches(next, to) })
	}
	r := make(graph)
	for from, imports := range g {
		r[from] = nil
		for _, to := range imports {
			if !slices.ContainsFunc(imports, func(other string) bool { return other != to && reaches(other, to) }) {
				r[from] = append(r[from], to)
			}
		}
	}
	return r
}

// picture is docs/architecture.md.
func picture(t *testing.T, h *tree) string {
	t.Helper()
	packages, circle := layers(between(h, func(own string) string { return own }))
	if len(circle) > 0 {
		t.Fatalf("a circle: %v", circle)
	}
	var b strings.Builder
	b.WriteString(`<!-- Generated from the source by go generate ./internal/law; edits are lost. -->

# Architecture

Contents: [where is what](#where-is-what) · [who imports whom](#who-imports-whom) · [where observation begins](#where-observation-begins)

`)
	b.WriteString("## Where is what\n\nThe first sentence of each package. What is in `internal` is ours to change; what ends in `test` is for tests.\n\n")
	drawTree(&b, h)
	b.WriteString(`
## Who imports whom

The directories, and those that each needs. An arrow that follows from others is left out. It is a picture without a circle: the compiler sees to that between
packages, a test of ` + "`internal/law`" + ` between directories.

`)
	drawAreas(&b, between(h, area).reduced())
	b.WriteString(`
The packages, each above all that it imports, so a change can only be felt further up. Which of them may import which is said in
` + "[internal/law/order_test.go](../internal/law/order_test.go)" + `, and which foreign library may end up in which in
` + "[internal/law/link_test.go](../internal/law/link_test.go)" + `.

| layer | package | imports |
| --- | --- | --- |
`)
	drawLayers(&b, packages, between(h, func(own string) string { return own }))
	b.WriteString(`
## Where observation begins

A unit of work that comes in is observed once, in one function of each transport: there the span, the correlation ID, the metrics and the log line of a failure
begin. To see how, read these; no other place may do it.

| transport | file | function |
| --- | --- | --- |
`)
	for _, dir := range inbound {
		for _, begins := range beginnings(h) {
			if begins.src.dir == dir {
				fmt.Fprintf(&b, "| `%s` | [%s](../%s) | `%s` |\n", dir, begins.src.path(), begins.src.path(), begins.function)
			}
		}
	}
	return b.String()
}

// drawTree lists the packages of all modules with their first sentences.
func drawTree(b *strings.Builder, h *tree) {
	said := make(map[string]string)
	for _, src := range h.sources {
		if src.test() || src.ast.Doc == nil {
			continue
		}
		sentence := new(doc.Package).Synopsis(src.ast.Doc.Text())
		for _, prefix := range []string{"Package " + src.ast.Name.Name + " ", "Command " + src.dir[strings.LastIndexByte(src.dir, '/')+1:] + " "} {
			sentence = strings.TrimPrefix(sentence, prefix)
		}
		said[src.dir] = sentence
	}
	dirs := slices.SortedFunc(maps.Keys(said), func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) })
	for _, dir := range dirs {
		depth := 0
		for i := range dir {
			if _, ok := said[dir[:i]]; ok && dir[i] == '/' {
				depth++
			}
		}
		fmt.Fprintf(b, "%s- [`%s`](../%s): %s\n", strings.Repeat("  ", depth), dir, dir, sentenceOf(said[dir]))
	}
}

// sentenceOf spells a synopsis for Markdown.
func sentenceOf(s string) string {
	return strings.NewReplacer("[", "", "]", "", "|", `\|`, "<", "&lt;").Replace(s)
}

// drawAreas draws a graph for Mermaid, which GitHub shows.
func drawAreas(b *strings.Builder, g graph) {
	label := func(area string) string {
		if area == "." {
			return "patron"
		}
		return area
	}
	b.WriteString("```mermaid\ngraph TD\n")
	for _, from := range slices.Sorted(maps.Keys(g)) {
		if len(g[from]) == 0 {
			fmt.Fprintf(b, "    %s\n", label(from))
		}
		for _, to := range g[from] {
			fmt.Fprintf(b, "    %s --> %s\n", label(from), label(to))
		}
	}
	b.WriteString("```\n")
}

func drawLayers(b *strings.Builder, tops [][]string, g graph) {
	for i, layer := range tops {
		for _, p := range layer {
			fmt.Fprintf(b, "| %d | `%s` | %s |\n", len(tops)-i, p, strings.Join(g[p], ", "))
		}
	}
}
