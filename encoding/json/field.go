package json

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Field is a member of the JSON object that a struct is decoded from.
type Field struct {
	Name   string              // in the object
	Index  []int               // the way to it, for reflect.Value.FieldByIndex: longer than one for a field of an embedded struct
	Struct reflect.StructField // the field itself, with its type and tags
	Quoted bool                // the value is written inside a string: the option "string" of the tag
}

// Fields returns the fields that encoding/json reads and writes for the struct type t, in the order of their indexes: exported fields without the tag "-",
// those of embedded structs promoted as Go does it, and a tagged name before an untagged one of the same depth. It panics if t is not a struct.
func Fields(t reflect.Type) []Field {
	byName := make(map[string][]candidate)
	seen := make(map[reflect.Type]bool)
	for level := []embedded{{typ: t, times: 1}}; len(level) > 0; {
		level = gather(level, seen, byName)
	}
	fields := make([]Field, 0, len(byName))
	for _, cc := range byName {
		if c, ok := dominant(cc); ok {
			fields = append(fields, c.Field)
		}
	}
	slices.SortFunc(fields, func(a, b Field) int { return slices.Compare(a.Index, b.Index) })
	return fields
}

// embedded is a struct whose fields are promoted; times counts how often it is embedded at its depth, because its fields then hide each other.
type embedded struct {
	typ   reflect.Type
	index []int
	times int
}

// candidate is a field that may be hidden by another one of its name.
type candidate struct {
	Field
	tagged bool
	times  int
}

// gather adds the fields of one depth to byName and returns the structs of the next depth.
func gather(level []embedded, seen map[reflect.Type]bool, byName map[string][]candidate) []embedded {
	var next []embedded
	for _, e := range level {
		if seen[e.typ] {
			continue
		}
		seen[e.typ] = true
		for sf := range e.typ.Fields() {
			name, quoted, ok := readTag(sf)
			if !ok {
				continue
			}
			index := slices.Concat(e.index, sf.Index)
			if st := structOf(sf.Type); name == "" && sf.Anonymous && st != nil {
				next = embed(next, embedded{typ: st, index: index, times: 1})
				continue
			}
			c := candidate{
				Field:  Field{Name: cmp.Or(name, sf.Name), Index: index, Struct: sf, Quoted: quoted},
				tagged: name != "",
				times:  e.times,
			}
			byName[c.Name] = append(byName[c.Name], c)
		}
	}
	return next
}

func embed(next []embedded, e embedded) []embedded {
	for i := range next {
		if next[i].typ == e.typ {
			next[i].times++
			return next
		}
	}
	return append(next, e)
}

// dominant returns the one of several fields of a name that is not hidden: that of the least depth, a tagged one first. If two are equal, both are hidden.
func dominant(cc []candidate) (candidate, bool) {
	slices.SortStableFunc(cc, func(a, b candidate) int {
		if c := cmp.Compare(len(a.Index), len(b.Index)); c != 0 {
			return c
		}
		switch {
		case a.tagged == b.tagged:
			return 0
		case a.tagged:
			return -1
		default:
			return 1
		}
	})
	first := cc[0]
	if first.times > 1 {
		return first, false
	}
	if len(cc) > 1 && len(cc[1].Index) == len(first.Index) && cc[1].tagged == first.tagged {
		return first, false
	}
	return first, true
}

// readTag reads the json tag of a field. An empty name means that the tag has none that encoding/json takes; ok is false for a field that JSON does not see.
func readTag(sf reflect.StructField) (name string, quoted, ok bool) {
	tag := sf.Tag.Get("json")
	if tag == "-" {
		return "", false, false
	}
	if !sf.IsExported() && (!sf.Anonymous || structOf(sf.Type) == nil) {
		return "", false, false
	}
	name, options, _ := strings.Cut(tag, ",")
	if strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r)
	}) {
		name = ""
	}
	return name, slices.Contains(strings.Split(options, ","), "string") && isScalar(sf.Type), true
}

// structOf returns t if it is a struct, the struct that it points at, or nil.
func structOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	return t
}

// isScalar reports whether the option "string" has an effect on t.
func isScalar(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return true
	default:
		return false
	}
}
