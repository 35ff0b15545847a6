package law_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Do not change this data to fix builds. It says what happens in one place only.

// place is a function of another package that may be called in few places.
type place struct {
	importPath string
	functions  []string
	allowed    []string // files or directories of the users' module
	why        string
}

var places = []place{
	{
		"os",
		[]string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Clearenv", "Setenv", "Unsetenv"},
		[]string{"env.go"},
		"patron.New reads the environment, once; everything else takes values",
	},
	{"os", []string{"Exit"}, []string{"log", "log/zerolog"}, "the library returns errors; log.Fatal alone ends the process"},
	{"os/signal", []string{"Notify", "NotifyContext", "Ignore", "Reset"}, []string{"signal.go"}, "a component stops when its context ends"},
	{"time", []string{"Sleep"}, nil, "every wait has ctx.Done beside it"},
	{"net/http", []string{"Handle", "HandleFunc", "ListenAndServe", "ListenAndServeTLS"}, nil, "the default mux and server belong to nobody"},
	{module + "/log", []string{"Fatal", "Fatalf", "Panic", "Panicf"}, nil, "how the process ends is for the program to say"},
}

func TestWhatBelongsToOnePlaceStaysThere(t *testing.T) {
	t.Parallel()
	h := house(t)
	for _, src := range h.sources {
		if src.test() || !users(src.dir) {
			continue
		}
		for _, p := range places {
			if slices.Contains(p.allowed, src.dir) || slices.Contains(p.allowed, src.path()) {
				continue
			}
			name := src.importName(p.importPath, p.importPath[strings.LastIndexByte(p.importPath, '/')+1:])
			if name == "" {
				continue
			}
			ast.Inspect(src.ast, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && isIdent(sel.X, name) && slices.Contains(p.functions, sel.Sel.Name) {
					t.Errorf("%s: %s.%s: %s", h.fset.Position(sel.Pos()), name, sel.Sel.Name, p.why)
				}
				return true
			})
		}
	}
}

// inbound are the packages in which work comes in: the only ones that give trace.Begin a carrier to read.
var inbound = []string{"component/http", "component/grpc", "component/worker", "async"}

// beginning is a place where inbound work begins.
type beginning struct {
	src      *source
	function string
	at       token.Position
}

// beginnings finds the units of work that come in: the literals of trace.Unit that have a carrier to read.
func beginnings(h *tree) []beginning {
	var found []beginning
	for _, src := range h.sources {
		if src.test() || !users(src.dir) {
			continue
		}
		unit := "Unit"
		if src.dir != "trace" {
			name := src.importName(module+"/trace", "trace")
			if name == "" {
				continue
			}
			unit = name + ".Unit"
		}
		for _, decl := range src.ast.Decls {
			function := "a variable"
			if fn, ok := decl.(*ast.FuncDecl); ok {
				function = nameOf(fn)
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				lit, ok := n.(*ast.CompositeLit)
				if !ok || lit.Type == nil || exprString(lit.Type) != unit {
					return true
				}
				for _, elt := range lit.Elts {
					if kv, ok := elt.(*ast.KeyValueExpr); ok && isIdent(kv.Key, "In") {
						found = append(found, beginning{src, function, h.fset.Position(lit.Pos())})
					}
				}
				return true
			})
		}
	}
	return found
}

// nameOf names a function, with the type that a method has.
func nameOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	return "(" + receiver(fn) + ")." + fn.Name.Name
}

func TestInboundWorkBeginsInOnePlaceOfEachTransport(t *testing.T) {
	t.Parallel()
	h := house(t)
	found := make(map[string][]string)
	for _, b := range beginnings(h) {
		found[b.src.dir] = append(found[b.src.dir], b.at.String())
	}
	for dir, positions := range found {
		if !slices.Contains(inbound, dir) {
			t.Errorf("%s begins inbound work at %v: only %v do", dir, positions, inbound)
		} else if len(positions) > 1 {
			t.Errorf("%s begins inbound work in several places: %v", dir, positions)
		}
	}
	for _, p := range h.own {
		if slices.Contains(inbound, p.path()) && len(found[p.path()]) == 0 {
			t.Errorf("%s begins no inbound work: what comes in there goes unseen", p.path())
		}
	}
}

// recovering are the packages in which a panic becomes an error, and whose panic it is.
var recovering = map[string]string{
	".":                       "of a component: it ends the service with an error that names it",
	"component/componenttest": "of a component: it fails the test",
	"component/http":          "of a handler",
	"component/grpc":          "of a handler",
	"async":                   "of a handler, and of what else the user or a driver brought",
	"log":                     "of a foreign logger, whose caller panics with the message anyway",
	"log/zerolog":             "of a value that is asked for its text",
	"trace/provider":          "of an exporter",
}

func TestPanicsBecomeErrorsAtTheEdgesOnly(t *testing.T) {
	t.Parallel()
	h := house(t)
	for _, src := range h.sources {
		if _, ok := recovering[src.dir]; ok || src.test() || !users(src.dir) {
			continue
		}
		ast.Inspect(src.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isIdent(call.Fun, "recover") && len(call.Args) == 0 {
				t.Errorf("%s: recover: whoever is above makes the panic an error, once", h.fset.Position(call.Pos()))
			}
			return true
		})
	}
}

func TestNothingHappensAtImport(t *testing.T) {
	t.Parallel()
	h := house(t)
	for _, src := range h.sources {
		if !users(src.dir) || src.name == "example_init_test.go" {
			continue
		}
		for _, decl := range src.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: an init function; make it a constructor", h.fset.Position(fn.Pos()))
			}
		}
		for _, spec := range src.ast.Imports {
			if path, err := strconv.Unquote(spec.Path.Value); err == nil && isIdent(spec.Name, "_") && path != "embed" && !src.test() {
				t.Errorf("%s: a blank import of %s, which is there for its init", h.fset.Position(spec.Pos()), path)
			}
		}
	}
}

// users reports whether a directory belongs to the module that users import.
func users(dir string) bool {
	top, _, _ := strings.Cut(dir, "/")
	return !slices.Contains([]string{"examples", "tests", "bench"}, top)
}

func isIdent(e ast.Node, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id != nil && id.Name == name
}

// exprString spells a type name: Unit, trace.Unit.
func exprString(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return exprString(e.X) + "." + e.Sel.Name
	default:
		return ""
	}
}
