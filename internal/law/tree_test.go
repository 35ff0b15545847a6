package law_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/beatlabs/patron"

// pkg is what go list says about a package.
type pkg struct {
	ImportPath   string
	Name         string
	Standard     bool
	Module       *struct{ Path string }
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	Deps         []string
}

// path returns the path within our module: "." for the root, "component/http"; "" for a foreign package.
func (p *pkg) path() string { return ownPath(p.ImportPath) }

func ownPath(importPath string) string {
	if importPath == module {
		return "."
	}
	own, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return ""
	}
	return own
}

// owner returns the own path of the package that an internal one belongs to: log for log/internal/line. It obeys the law of its owner.
func owner(own string) string {
	top, _, _ := strings.Cut(own, "/internal/")
	return top
}

// source is a parsed file of any of our modules.
type source struct {
	dir  string // slash-separated, from the root: ".", "component/http", "examples/orders"
	name string
	ast  *ast.File
}

func (s *source) path() string { return path.Join(s.dir, s.name) }
func (s *source) test() bool   { return strings.HasSuffix(s.name, "_test.go") }

// importName returns the name by which the file knows the package, "" if it does not import it.
func (s *source) importName(importPath, declared string) string {
	for _, spec := range s.ast.Imports {
		if strings.Trim(spec.Path.Value, `"`) != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return declared
	}
	return ""
}

// tree is the whole house, read once.
type tree struct {
	own     []*pkg          // packages of the users' module
	all     map[string]*pkg // and everything they link, by import path
	sources []*source       // of all modules
	goMods  []string        // paths of the go.mod files
	fset    *token.FileSet
}

// house reads the tree. Every source file is opened by this process, not only by go list, so that go test knows when a cached result is out of date.
func house(t *testing.T) *tree {
	t.Helper()
	h, err := readHouse()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var readHouse = sync.OnceValues(func() (*tree, error) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return nil, err
	}
	h := &tree{all: make(map[string]*pkg), fset: token.NewFileSet()}
	if err := h.parse(root); err != nil {
		return nil, err
	}
	if err := h.list(root); err != nil {
		return nil, err
	}
	return h, nil
})

func (h *tree) parse(root string) error {
	return filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); file != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if entry.Name() == "go.mod" {
			h.goMods = append(h.goMods, file)
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(h.fset, file, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		h.sources = append(h.sources, &source{dir: filepath.ToSlash(dir), name: entry.Name(), ast: parsed})
		return nil
	})
}

func (h *tree) list(root string) error {
	out, err := goTool(root, "list", "-deps", "-json=ImportPath,Name,Standard,Module,GoFiles,TestGoFiles,XTestGoFiles,Imports,Deps", "./...")
	if err != nil {
		return err
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pkg)
		err := dec.Decode(p)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		h.all[p.ImportPath] = p
		if p.path() != "" {
			h.own = append(h.own, p)
		}
	}
}

func goTool(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, errors.New("go " + strings.Join(args, " ") + ": " + string(exit.Stderr))
	}
	return out, err
}

// line is one line of a table: what some packages may. In a table the first line that matches a package counts.
type line struct {
	packages []string // own paths; "trace/..." is trace and everything below it
	may      []string
}

// lineOf returns what the table says of an own path.
func lineOf(table []line, own string) (line, bool) {
	i := slices.IndexFunc(table, func(l line) bool { return matches(l.packages, owner(own)) })
	if i < 0 {
		return line{}, false
	}
	return table[i], true
}

// matches reports whether one of the patterns of a [line] stands for an own path.
func matches(patterns []string, own string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		top, below := strings.CutSuffix(pattern, "/...")
		return own == top || below && strings.HasPrefix(own, top+"/")
	})
}
