package sync

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/beatlabs/patron/encoding"
)

// maxValidationDepth bounds the walk, for values that contain themselves. What is decoded from JSON cannot be deeper.
const maxValidationDepth = 10_000

// validation is one walk of a plan over a value. It allocates only for what is wrong.
type validation struct {
	path   encoding.Path
	faults []Fault
	except []Fault // nothing is reported at or below their places
	depth  int
}

// validate returns what is wrong with v, which is addressable, but not at or below the places of the faults that its decoding had.
func (p *place) validate(v reflect.Value, except []Fault) []Fault {
	if p.shape == nil {
		return nil
	}
	w := validation{except: except}
	w.place(p, v)
	if len(w.faults) == 0 {
		return nil
	}
	sortFaults(w.faults)
	return encoding.LimitFaults(w.faults)
}

// full says that there are more faults than will be reported: the walk ends.
func (w *validation) full() bool { return len(w.faults) > encoding.MaxFaults }

// fault notes a fault at a pointer relative to the place of the walk.
func (w *validation) fault(pointer, detail string) {
	f := Fault{Pointer: w.path.Join(pointer), Detail: detail}
	if !slices.ContainsFunc(w.except, func(e Fault) bool { return covers(e.Pointer, f.Pointer) }) {
		w.faults = append(w.faults, f)
	}
}

func (w *validation) place(p *place, v reflect.Value) {
	if w.full() || w.depth > maxValidationDepth {
		return
	}
	present := false // what a pointer points at is there, even if it is zero
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			if p.required {
				w.fault("", "is required")
			}
			return
		}
		v, present = v.Elem(), true
	}
	switch {
	case p.required && !present && isAbsent(v):
		w.fault("", "is required")
		return
	case p.optional && v.IsZero():
		return
	}
	for i := range p.checks {
		if c := &p.checks[i]; !c.ok(v) {
			w.fault("", c.detail)
			break
		}
	}
	if p.shape != nil {
		w.depth++
		w.shape(p.shape, v)
		w.depth--
	}
}

func (w *validation) shape(s *shape, v reflect.Value) {
	for i := range s.fields {
		m := &s.fields[i]
		w.path.Push(m.name)
		if f, ok := fieldOf(v, m.index); ok {
			w.place(m.place, f)
		} else if m.place.required {
			w.fault("", "is required")
		}
		w.path.Pop()
	}
	if s.elem != nil {
		if v.Kind() == reflect.Map {
			w.entries(s.elem, v)
		} else {
			w.elements(s.elem, v)
		}
	}
	if s.method {
		w.method(v)
	}
}

// method asks the value itself. That of an embedded struct that is not exported cannot be asked.
func (w *validation) method(v reflect.Value) {
	if !v.CanAddr() || !v.Addr().CanInterface() {
		return
	}
	value, ok := reflect.TypeAssert[validatable](v.Addr())
	if !ok {
		return
	}
	for _, f := range value.Validate() {
		if w.full() {
			return
		}
		w.fault(f.Pointer, f.Detail)
	}
}

func (w *validation) elements(p *place, v reflect.Value) {
	for i := range v.Len() {
		if w.full() {
			return
		}
		w.path.PushIndex(i)
		w.place(p, v.Index(i))
		w.path.Pop()
	}
}

// entries goes through a map in the order of its keys, so that the faults are the same each time when there are too many.
func (w *validation) entries(p *place, v reflect.Value) {
	type entry struct {
		name string
		key  reflect.Value
	}
	entries := make([]entry, 0, v.Len())
	for _, key := range v.MapKeys() {
		entries = append(entries, entry{name: keyName(key), key: key})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	elem := reflect.New(v.Type().Elem()).Elem() // a Validate on the pointer needs an address, which values in a map do not have
	for _, e := range entries {
		elem.Set(v.MapIndex(e.key))
		w.path.Push(e.name)
		w.place(p, elem)
		w.path.Pop()
	}
}

// keyName returns the key of a map as encoding/json writes it.
func keyName(key reflect.Value) string {
	if key.Kind() == reflect.String {
		return key.String()
	}
	if m, ok := reflect.TypeAssert[interface{ MarshalText() ([]byte, error) }](key); ok {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(key.Interface())
}

// fieldOf returns the field at index, or false if it is in an embedded struct that is nil.
func fieldOf(v reflect.Value, index []int) (reflect.Value, bool) {
	for i, n := range index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(n)
	}
	return v, true
}

// isAbsent reports whether a required value is missing.
func isAbsent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return v.Len() == 0
	case reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	default:
		if !v.CanAddr() || !v.Addr().CanInterface() {
			return false
		}
		z, ok := reflect.TypeAssert[isZeroer](v.Addr()) // the address, because an interface of the value is a copy on the heap
		return ok && z.IsZero()
	}
}
