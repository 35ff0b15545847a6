package api

import (
	"fmt"
	"go/types"
	"strconv"
	"strings"
)

// writer spells the API of one package.
type writer struct {
	of    *types.Package
	short string // what is left out at the beginning of import paths of the module
	out   []string
}

// lines returns a line for each exported symbol, in no particular order.
func (w *writer) lines() []string {
	scope := w.of.Scope()
	for _, name := range scope.Names() {
		obj := scope.Lookup(name)
		if !obj.Exported() {
			continue
		}
		switch obj := obj.(type) {
		case *types.Const:
			w.addf("const %s %s = %s", name, w.typ(obj.Type()), obj.Val().ExactString())
		case *types.Var:
			w.addf("var %s %s", name, w.typ(obj.Type()))
		case *types.Func:
			sig := obj.Signature()
			w.addf("func %s%s%s", name, w.typeParams(sig.TypeParams()), w.signature(sig))
		case *types.TypeName:
			w.typeName(obj)
		}
	}
	return w.out
}

func (w *writer) addf(format string, args ...any) {
	w.out = append(w.out, w.path(w.of)+": "+fmt.Sprintf(format, args...))
}

// path spells an import path.
func (w *writer) path(p *types.Package) string { return strings.TrimPrefix(p.Path(), w.short+"/") }

func (w *writer) typeName(obj *types.TypeName) {
	if obj.IsAlias() {
		if alias, ok := obj.Type().(*types.Alias); ok {
			w.addf("type %s%s = %s", obj.Name(), w.typeParams(alias.TypeParams()), w.typ(alias.Rhs()))
		} else {
			w.addf("type %s = %s", obj.Name(), w.typ(obj.Type()))
		}
		return
	}
	named, ok := obj.Type().(*types.Named)
	if !ok {
		return // there is no other kind of type that has a name and is no alias
	}
	head := "type " + obj.Name() + w.typeParams(named.TypeParams())
	switch u := named.Underlying().(type) {
	case *types.Struct:
		w.structure(head+" struct", named, u)
	case *types.Interface:
		w.abstract(head+" interface", u)
		return // its methods are said
	default:
		w.addf("%s %s", head, w.typ(u))
	}
	w.methods(named)
}

// structure adds a line for the struct, for each exported field, and for being comparable, which an unexported field can take away.
func (w *writer) structure(head string, named *types.Named, s *types.Struct) {
	w.addf("%s", head)
	if types.Comparable(named) {
		w.addf("%s, comparable", head)
	}
	w.fields(head, s)
}

// fields adds a line for each exported field, those of embedded structs that are not exported included.
func (w *writer) fields(head string, s *types.Struct) {
	for i := range s.NumFields() {
		f := s.Field(i)
		if !f.Exported() {
			if hidden, ok := f.Type().Underlying().(*types.Struct); ok && f.Embedded() {
				w.fields(head, hidden)
			}
			continue
		}
		tag := ""
		if s.Tag(i) != "" {
			tag = " " + strconv.Quote(s.Tag(i))
		}
		if f.Embedded() {
			w.addf("%s, embedded %s%s", head, w.typ(f.Type()), tag)
		} else {
			w.addf("%s, %s %s%s", head, f.Name(), w.typ(f.Type()), tag)
		}
	}
}

// abstract adds a line for the interface with the names of all its methods, and one for each of these.
func (w *writer) abstract(head string, i *types.Interface) {
	if !i.IsMethodSet() {
		w.addf("%s", strings.TrimSuffix(head, " interface")+" "+w.typ(i)) // a constraint
		return
	}
	var names []string
	for m := range i.Methods() {
		if !m.Exported() {
			names = append(names, "unexported methods")
			break
		}
	}
	for m := range i.Methods() {
		if m.Exported() {
			names = append(names, m.Name())
			w.addf("%s, %s%s", head, m.Name(), w.signature(m.Signature()))
		}
	}
	w.addf("%s", strings.Replace(head+" { "+strings.Join(names, ", ")+" }", "{  }", "{}", 1))
}

// methods adds a line for each exported method, those of embedded types included.
func (w *writer) methods(named *types.Named) {
	values := types.NewMethodSet(named)
	for sel := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		m, ok := sel.Obj().(*types.Func)
		if !ok || !m.Exported() {
			continue
		}
		receiver := "*" + named.Obj().Name()
		if values.Lookup(m.Pkg(), m.Name()) != nil {
			receiver = named.Obj().Name()
		}
		sig, ok := sel.Type().(*types.Signature)
		if !ok {
			continue // a method has no other type
		}
		w.addf("method (%s%s) %s%s", receiver, typeArgs(named.TypeParams()), m.Name(), w.signature(sig))
	}
}

// typeArgs names type parameters as a receiver does: [K, V].
func typeArgs(tt *types.TypeParamList) string {
	if tt.Len() == 0 {
		return ""
	}
	var names []string
	for t := range tt.TypeParams() {
		names = append(names, t.Obj().Name())
	}
	return "[" + strings.Join(names, ", ") + "]"
}
