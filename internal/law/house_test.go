package law_test

import (
	"encoding/json"
	"go/ast"
	"go/doc"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	h := house(t)
	said := make(map[string]string) // directory → the comment of its doc.go
	names := make(map[string]string)
	for _, src := range h.sources {
		if src.test() {
			continue
		}
		names[src.dir] = src.ast.Name.Name
		if src.name == "doc.go" || src.ast.Name.Name == "main" && src.ast.Doc != nil {
			said[src.dir] = src.ast.Doc.Text()
		}
	}
	for dir, name := range names {
		want := "Package " + name + " "
		if name == "main" {
			want = "Command " + path.Base(dir) + " "
		}
		switch text := said[dir]; {
		case text == "":
			t.Errorf("%s: no doc.go with a package comment", dir)
		case !strings.HasPrefix(text, want):
			t.Errorf("%s: the package comment begins %.40q, want %q", dir, text, want)
		case new(doc.Package).Synopsis(text) == "":
			t.Errorf("%s: the package comment has no first sentence", dir)
		}
	}
}

// vague are names that say nothing of what a package is for.
var vague = []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "base", "shared", "types"}

func TestPackageNamesSaySomething(t *testing.T) {
	t.Parallel()
	for _, src := range house(t).sources {
		name := strings.TrimSuffix(src.ast.Name.Name, "_test")
		if slices.Contains(vague, name) {
			t.Errorf("%s: package %s could hold anything", src.path(), name)
		}
	}
}

func TestEveryPackageHasAnExampleAndLooksForLeaks(t *testing.T) {
	t.Parallel()
	h := house(t)
	type proofs struct{ example, leaks bool }
	found := make(map[string]proofs)
	for _, src := range h.sources {
		if !src.test() {
			continue
		}
		have := found[src.dir]
		goleak := src.importName("go.uber.org/goleak", "goleak")
		for _, decl := range src.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil {
				continue
			}
			have.example = have.example || strings.HasPrefix(fn.Name.Name, "Example")
			have.leaks = have.leaks || fn.Name.Name == "TestMain" && goleak != "" && calls(fn, goleak+".VerifyTestMain")
		}
		found[src.dir] = have
	}
	for _, p := range h.own {
		if strings.Contains("/"+p.path()+"/", "/internal/") || p.Name == "main" {
			continue
		}
		if !found[p.path()].example {
			t.Errorf("%s: no Example", p.path())
		}
		if !found[p.path()].leaks {
			t.Errorf("%s: no TestMain with goleak.VerifyTestMain", p.path())
		}
	}
}

func TestTestsRunInParallel(t *testing.T) {
	t.Parallel()
	h := house(t)
	for _, src := range h.sources {
		if !src.test() {
			continue
		}
		for _, decl := range src.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Test") || fn.Name.Name == "TestMain" || len(fn.Body.List) == 0 {
				continue
			}
			if call, ok := fn.Body.List[0].(*ast.ExprStmt); ok && calls(call, "t.Parallel") {
				continue
			}
			// A bubble has its own time, the environment and the directory belong to the process, and allocations are counted alone.
			if calls(fn, "synctest.Test", "t.Setenv", "t.Chdir", "testing.AllocsPerRun") || explained(src.ast, fn) {
				continue
			}
			t.Errorf("%s: %s does not begin with t.Parallel(): do so, or say in it why not, as // not parallel: …", h.fset.Position(fn.Pos()), fn.Name.Name)
		}
	}
}

// explained reports whether the function holds, or is documented by, a comment that says why it does not run in parallel.
func explained(file *ast.File, fn *ast.FuncDecl) bool {
	from := fn.Pos()
	if fn.Doc != nil {
		from = fn.Doc.Pos()
	}
	return slices.ContainsFunc(file.Comments, func(c *ast.CommentGroup) bool {
		return from <= c.Pos() && c.End() <= fn.End() && strings.Contains(strings.ToLower(c.Text()), "not parallel:")
	})
}

// calls reports whether any of the functions, spelled as in the source, is called below n.
func calls(n ast.Node, functions ...string) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && slices.Contains(functions, exprString(call.Fun)) {
			found = true
		}
		return !found
	})
	return found
}

// aliases are the names of those packages of ours that shadow the standard library. They are the same in every file, example and guide.
var aliases = map[string]string{
	module + "/sync":           "psync",
	module + "/log":            "plog",
	module + "/component/http": "phttp",
	module + "/client/http":    "phttpclient",
	module + "/component/grpc": "pgrpc",
	module + "/client/grpc":    "pgrpcclient",
	module + "/async/sql":      "psql",
	module + "/client/sql":     "psqlclient",
}

func TestPackagesThatShadowTheStandardLibraryHaveTheirAlias(t *testing.T) {
	t.Parallel()
	h := house(t)
	for _, src := range h.sources {
		for _, spec := range src.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if want, ok := aliases[imported]; ok && !isIdent(spec.Name, want) {
				t.Errorf("%s: %s is imported without its alias %s", h.fset.Position(spec.Pos()), imported, want)
			}
		}
	}
}

// goMod is what go mod edit says about a module.
type goMod struct {
	Go      string
	Require []struct{ Path, Version string }
}

func TestTheModulesRequireTheSame(t *testing.T) {
	t.Parallel()
	h := house(t)
	type user struct{ file, version string }
	versions := make(map[string][]user) // what must agree → who requires which
	for _, file := range h.goMods {
		out, err := goTool(filepath.Dir(file), "mod", "edit", "-json")
		if err != nil {
			t.Fatal(err)
		}
		var mod goMod
		if err := json.Unmarshal(out, &mod); err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(file))
		versions["go"] = append(versions["go"], user{name, mod.Go})
		for _, r := range mod.Require {
			if strings.HasPrefix(r.Path, "go.opentelemetry.io/otel") { // its modules only fit each other
				versions[r.Path] = append(versions[r.Path], user{name, r.Version})
			}
			if floor, ok := floors[r.Path]; ok && older(r.Version, floor) {
				t.Errorf("%s requires %s %s, which has known vulnerabilities; the floor is %s", name, r.Path, r.Version, floor)
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(versions)) {
		for _, u := range versions[what][1:] {
			if first := versions[what][0]; u.version != first.version {
				t.Errorf("%s: %s in %s, %s in %s", what, first.version, first.file, u.version, u.file)
			}
		}
	}
}

// floors are the oldest versions without a known vulnerability. Raise them, never lower them.
var floors = map[string]string{
	"go.opentelemetry.io/otel":            "v1.44.0", // GO-2026-5158, GO-2026-5506
	"go.opentelemetry.io/otel/sdk":        "v1.43.0", // GO-2026-4394, GO-2026-5426
	"google.golang.org/grpc":              "v1.82.1", // GO-2026-6061, GO-2026-4762
	"golang.org/x/net":                    "v0.56.0",
	"golang.org/x/crypto":                 "v0.52.0",
	"golang.org/x/text":                   "v0.39.0",
	"golang.org/x/sys":                    "v0.44.0",
	"github.com/redis/go-redis/v9":        "v9.7.3",
	"github.com/jackc/pgx/v5":             "v5.9.2",
	"github.com/klauspost/compress":       "v1.18.7",
	"github.com/go-viper/mapstructure/v2": "v2.4.0",
}

// older compares two release versions; a pre-release of the floor counts as the floor.
func older(version, floor string) bool {
	parse := func(v string) []int {
		v, _, _ = strings.Cut(strings.TrimPrefix(v, "v"), "-")
		var parts []int
		for part := range strings.SplitSeq(v, ".") {
			n, _ := strconv.Atoi(part)
			parts = append(parts, n)
		}
		return parts
	}
	return slices.Compare(parse(version), parse(floor)) < 0
}

func TestOlder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version, floor string
		want           bool
	}{
		{"v1.44.0", "v1.44.0", false},
		{"v1.43.9", "v1.44.0", true},
		{"v1.9.0", "v1.10.0", true},
		{"v2.0.0", "v1.44.0", false},
		{"v0.0.0-20260918054303-01f206a7e32c", "v0.1.0", true},
	} {
		if got := older(c.version, c.floor); got != c.want {
			t.Errorf("older(%s, %s): got %t, want %t", c.version, c.floor, got, c.want)
		}
	}
}
