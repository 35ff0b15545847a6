package law_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// What is exported has a comment: functions, types, methods (those of interfaces too), constants, variables and fields. A group of constants or variables
// may be described as one; a field or method may be described by the comment of its type or of its neighbour, if that names it.
func TestWhatIsExportedIsDocumented(t *testing.T) {
	t.Parallel()
	h := house(t)
	for _, src := range h.sources {
		if src.test() || !importable(src) {
			continue
		}
		for _, fault := range unsaid(h.fset, src.ast) {
			t.Error(fault)
		}
	}
}

// importable reports whether others can import the package of src.
func importable(src *source) bool {
	return users(src.dir) && src.ast.Name.Name != "main" && !strings.Contains("/"+src.dir+"/", "/internal/")
}

// unsaid returns a line for each exported symbol of file whose comment is missing or does not begin with its name.
func unsaid(fset *token.FileSet, file *ast.File) []string {
	var faults []string
	faultf := func(at ast.Node, format string, args ...any) {
		faults = append(faults, fset.Position(at.Pos()).String()+": "+fmt.Sprintf(format, args...))
	}
	named := func(at ast.Node, name string, text *ast.CommentGroup) {
		switch {
		case text.Text() == "":
			faultf(at, "%s has no comment", name)
		case !begins(text.Text(), name):
			faultf(at, "the comment of %s begins %.40q, want its name first", name, text.Text())
		}
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Name.IsExported() && ast.IsExported(receiver(decl)) {
				named(decl, decl.Name.Name, decl.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, id := range spec.Names {
						if id.IsExported() && decl.Doc.Text()+spec.Doc.Text()+spec.Comment.Text() == "" {
							faultf(id, "%s has no comment, nor has its group", id.Name)
						}
					}
				case *ast.TypeSpec:
					if !spec.Name.IsExported() {
						continue
					}
					text := spec.Doc
					if text == nil && !decl.Lparen.IsValid() {
						text = decl.Doc
					}
					named(spec, spec.Name.Name, text)
					told := []string{text.Text()}
					for _, member := range members(spec.Type) {
						told = append(told, member.Doc.Text())
					}
					all := strings.Join(told, "\n")
					for _, member := range members(spec.Type) {
						if member.Doc.Text()+member.Comment.Text() != "" {
							continue
						}
						for _, id := range member.Names {
							if id.IsExported() && !names(all, id.Name) {
								faultf(id, "%s.%s has no comment, and no other one of its type names it", spec.Name.Name, id.Name)
							}
						}
					}
				}
			}
		}
	}
	return faults
}

// receiver returns the name of the type of a method; for a function, a name that is exported.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return "Function"
	}
	for e := fn.Recv.List[0].Type; ; {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		default:
			return exprString(e)
		}
	}
}

// members returns the fields of a struct or the methods of an interface.
func members(t ast.Expr) []*ast.Field {
	switch t := t.(type) {
	case *ast.StructType:
		return t.Fields.List
	case *ast.InterfaceType:
		return t.Methods.List
	default:
		return nil
	}
}

// begins reports whether a comment begins with the name, after an article if there is one.
func begins(text, name string) bool {
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	return len(words) > 0 && (words[0] == name || len(words) > 1 && slices.Contains([]string{"A", "An", "The"}, words[0]) && words[1] == name)
}

// names reports whether a comment holds the name as a word.
func names(text, name string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' }), name)
}

func TestUnsaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string // what the faults hold
	}{
		"all is said":                {"// F is.\nfunc F() {}\n// The T is.\ntype T struct{}", nil},
		"what is not exported":       {"func f() {}\ntype t struct{ A int }\nfunc (t) M() {}\nvar v, w int", nil},
		"a function":                 {"func F() {}", []string{"F has no comment"}},
		"another name":               {"// Returns.\nfunc F() {}", []string{"want its name first"}},
		"a method of a generic type": {"// T is.\ntype T[A any] int\nfunc (t *T[A]) M() {}", []string{"M has no comment"}},
		"a type in a group":          {"// Types are.\ntype (\nT int\n)", []string{"T has no comment"}},
		"a constant":                 {"const A = 1", []string{"A has no comment"}},
		"a group of constants":       {"// The two.\nconst (\nA = 1\nB = 2\n)", nil},
		"a comment on the line":      {"var (\nA = 1 // is\nB = 2\n)", []string{"B has no comment"}},
		"fields": {
			"// T is, and A is.\ntype T struct {\nA int\nB int // is\nC int\n// Until D is.\nD int\nE int\n}",
			[]string{"T.C has no comment", "T.E has no comment"},
		},
		"a neighbour names it":    {"// T is.\ntype T interface {\n// A and B are.\nA()\nB()\n}", nil},
		"methods of an interface": {"// T is.\ntype T interface{ A() }", []string{"T.A has no comment"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, "p.go", "package p\n\n"+c.text+"\n", parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			got := unsaid(fset, file)
			if !slices.EqualFunc(got, c.want, strings.Contains) {
				t.Errorf("%s\ngot %q, want %q", c.text, got, c.want)
			}
		})
	}
}

// An example that is not run proves nothing: one of each package has an output.
func TestEveryPackageHasAnExampleThatIsRun(t *testing.T) {
	t.Parallel()
	h := house(t)
	run := make(map[string]bool)
	for _, src := range h.sources {
		if !src.test() {
			continue
		}
		for _, e := range doc.Examples(src.ast) {
			run[src.dir] = run[src.dir] || e.Output != ""
		}
	}
	told := make(map[string]bool)
	for _, src := range h.sources {
		if !src.test() && importable(src) && !run[src.dir] && !told[src.dir] {
			told[src.dir] = true
			t.Errorf("%s: no Example with an output", src.dir)
		}
	}
}
