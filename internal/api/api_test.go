package api

import (
	"flag"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run ^TestTheAPIIsKept$ -count=1 . -args -write

var write = flag.Bool("write", false, "write api.txt anew")

const (
	root    = "../.."
	apiFile = root + "/api.txt"
	command = "go generate ./internal/api"
)

func TestTheAPIIsKept(t *testing.T) {
	t.Parallel()
	pp, err := Read(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	got := Lines(pp)
	if *write {
		if err := os.WriteFile(apiFile, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(apiFile)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(kept), "\n"), "\n")
	if report := Report(Compare(want, got), command); report != "" {
		t.Error(report)
	} else if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("api.txt is not in order, make it anew with %s (-want +got):\n%s", command, diff)
	}
}

// What is exported stands in files that every system compiles, so api.txt is the same wherever it is made.
func TestTheAPIIsTheSameOnEverySystem(t *testing.T) {
	t.Parallel()
	pp, err := Read(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	for _, p := range pp {
		for _, name := range p.Files {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if exported := exports(file); constrained(name, file) && len(exported) > 0 {
				t.Errorf("%s exports %v, and not every system compiles it: export a function that calls what differs", fset.Position(file.Pos()).Filename, exported)
			}
		}
	}
}

// exports returns the names that a file exports at its top level, and those of methods.
func exports(file *ast.File) []string {
	var names []string
	add := func(ids ...*ast.Ident) {
		for _, id := range ids {
			if id.IsExported() {
				names = append(names, id.Name)
			}
		}
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			add(decl.Name)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					add(spec.Name)
				case *ast.ValueSpec:
					add(spec.Names...)
				}
			}
		}
	}
	return names
}

// constrained reports whether a file is compiled on some systems only: by a build constraint, or by its name.
func constrained(name string, file *ast.File) bool {
	for _, group := range file.Comments {
		for _, c := range group.List {
			if constraint.IsGoBuild(c.Text) && c.Pos() < file.Package {
				return true
			}
		}
	}
	parts := strings.Split(strings.TrimSuffix(name, ".go"), "_")
	for _, part := range parts[1:] {
		switch part {
		case "linux", "darwin", "windows", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris", "illumos", "aix", "plan9", "js", "wasip1", "android", "ios",
			"unix", "amd64", "arm64", "386", "arm", "wasm", "riscv64", "ppc64", "ppc64le", "s390x", "loong64", "mips", "mipsle", "mips64", "mips64le":
			return true
		}
	}
	return false
}

func TestConstrained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, text string
		want       bool
	}{
		"plain":             {"signal.go", "package p", false},
		"by system":         {"signal_windows.go", "package p", true},
		"by both":           {"signal_linux_arm64.go", "package p", true},
		"a word":            {"signal_hook.go", "package p", false},
		"by a constraint":   {"signal.go", "//go:build unix\n\npackage p", true},
		"a comment like it": {"signal.go", "package p\n\n//go:build unix", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := parser.ParseFile(token.NewFileSet(), c.file, c.text, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if got := constrained(c.file, file); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}
