package api

import (
	"fmt"
	"go/types"
	"strconv"
	"strings"
)

// typ spells a type: as in the code, but without the names of parameters, and with the import path before the names of other packages, because two packages
// may have one name.
func (w *writer) typ(t types.Type) string {
	switch t := t.(type) {
	case *types.Alias:
		return w.name(t.Obj()) + w.arguments(t.TypeArgs())
	case *types.Named:
		return w.name(t.Obj()) + w.arguments(t.TypeArgs())
	case *types.TypeParam:
		return t.Obj().Name()
	case *types.Pointer:
		return "*" + w.typ(t.Elem())
	case *types.Slice:
		return "[]" + w.typ(t.Elem())
	case *types.Array:
		return "[" + strconv.FormatInt(t.Len(), 10) + "]" + w.typ(t.Elem())
	case *types.Map:
		return "map[" + w.typ(t.Key()) + "]" + w.typ(t.Elem())
	case *types.Chan:
		return w.channel(t)
	case *types.Signature:
		return "func" + w.signature(t)
	case *types.Struct:
		return w.literal(t)
	case *types.Interface:
		return w.constraint(t)
	case *types.Union:
		var terms []string
		for term := range t.Terms() {
			tilde := ""
			if term.Tilde() {
				tilde = "~"
			}
			terms = append(terms, tilde+w.typ(term.Type()))
		}
		return strings.Join(terms, " | ")
	default: // a basic type
		return t.String()
	}
}

func (w *writer) name(obj *types.TypeName) string {
	if p := obj.Pkg(); p != nil && p != w.of {
		return w.path(p) + "." + obj.Name()
	}
	return obj.Name()
}

func (w *writer) arguments(tt *types.TypeList) string {
	if tt.Len() == 0 {
		return ""
	}
	var args []string
	for t := range tt.Types() {
		args = append(args, w.typ(t))
	}
	return "[" + strings.Join(args, ", ") + "]"
}

func (w *writer) channel(t *types.Chan) string {
	elem := w.typ(t.Elem())
	switch t.Dir() {
	case types.SendOnly:
		return "chan<- " + elem
	case types.RecvOnly:
		return "<-chan " + elem
	case types.SendRecv:
		if strings.HasPrefix(elem, "<-") {
			return "chan (" + elem + ")"
		}
		return "chan " + elem
	default:
		return fmt.Sprintf("chan %d %s", t.Dir(), elem)
	}
}

// signature spells parameters and results.
func (w *writer) signature(sig *types.Signature) string {
	var params []string
	for p := range sig.Params().Variables() {
		params = append(params, w.typ(p.Type()))
	}
	if last := len(params) - 1; sig.Variadic() {
		params[last] = "..." + strings.TrimPrefix(params[last], "[]")
	}
	var results []string
	for r := range sig.Results().Variables() {
		results = append(results, w.typ(r.Type()))
	}
	s := "(" + strings.Join(params, ", ") + ")"
	switch len(results) {
	case 0:
		return s
	case 1:
		return s + " " + results[0]
	default:
		return s + " (" + strings.Join(results, ", ") + ")"
	}
}

func (w *writer) typeParams(tt *types.TypeParamList) string {
	if tt.Len() == 0 {
		return ""
	}
	var params []string
	for t := range tt.TypeParams() {
		params = append(params, t.Obj().Name()+" "+w.typ(t.Constraint()))
	}
	return "[" + strings.Join(params, ", ") + "]"
}

// literal spells a struct without a name.
func (w *writer) literal(s *types.Struct) string {
	var fields []string
	for f := range s.Fields() {
		name := f.Name() + " "
		if f.Embedded() {
			name = ""
		}
		fields = append(fields, name+w.typ(f.Type()))
	}
	if len(fields) == 0 {
		return "struct{}"
	}
	return "struct{ " + strings.Join(fields, "; ") + " }"
}

// constraint spells an interface without a name.
func (w *writer) constraint(i *types.Interface) string {
	var parts []string
	for m := range i.ExplicitMethods() {
		parts = append(parts, m.Name()+w.signature(m.Signature()))
	}
	for t := range i.EmbeddedTypes() {
		parts = append(parts, w.typ(t))
	}
	switch {
	case i.IsImplicit() && len(parts) == 1:
		return parts[0]
	case len(parts) == 0:
		return "any"
	default:
		return "interface{ " + strings.Join(parts, "; ") + " }"
	}
}
