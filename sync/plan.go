package sync

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/beatlabs/patron/encoding/json"
)

// The rules of a type are compiled once into places and shapes, a graph that follows the type: a place is where values stand, with the rules of its tag; a
// shape is what all values of a type have in common. Whatever has nothing to check is cut off, so that validation does not go there.

// place is a field, an element or a whole value.
type place struct {
	required, optional bool
	checks             []check
	shape              *shape // nil: nothing to check within
}

// shape is a type behind its pointers.
type shape struct {
	method bool     // the type or its pointer has Validate
	fields []member // of a struct
	elem   *place   // of a slice, an array or a map
	useful bool     // there is something to check, here or below
}

// member is a field of a struct.
type member struct {
	name  string
	index []int
	place *place
}

// validatable is a type that checks itself.
type validatable interface{ Validate() []Fault }

// isZeroer is a type that knows its absent value.
type isZeroer interface{ IsZero() bool }

// compile returns the plan for values of type t.
func compile(t reflect.Type) (*place, error) {
	c := &compiler{shapes: make(map[reflect.Type]*shape)}
	root := &place{shape: c.shape(t)}
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	c.prune(root)
	return root, nil
}

type compiler struct {
	shapes map[reflect.Type]*shape // those without rules of a tag
	all    []*shape
	errs   []error
}

// shape returns the shape of t, which may still be in the making if t is recursive.
func (c *compiler) shape(t reflect.Type) *shape {
	t = deref(t)
	if s := c.shapes[t]; s != nil {
		return s
	}
	s := c.newShape(t)
	c.shapes[t] = s
	switch t.Kind() {
	case reflect.Struct:
		s.fields = c.members(t)
	case reflect.Slice, reflect.Array, reflect.Map:
		s.elem = &place{shape: c.shape(t.Elem())}
	}
	return s
}

func (c *compiler) newShape(t reflect.Type) *shape {
	s := &shape{method: t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(reflect.TypeFor[validatable]())}
	c.all = append(c.all, s)
	return s
}

// place returns the place of values of type t that are under the given rules.
func (c *compiler) place(t reflect.Type, r *rules) *place {
	p := &place{required: r.required, optional: r.optional, checks: r.checks}
	if r.each == nil {
		p.shape = c.shape(t)
		return p
	}
	t = deref(t)
	p.shape = c.newShape(t)
	p.shape.elem = c.place(t.Elem(), r.each)
	return p
}

func (c *compiler) members(t reflect.Type) []member {
	var mm []member
	reached := make(map[string]bool)
	for _, f := range json.Fields(t) {
		reached[fmt.Sprint(f.Index)] = true
		m := member{name: f.Name, index: f.Index}
		if tag, ok := f.Struct.Tag.Lookup("validate"); ok {
			r, err := parseRules(tag, f.Struct.Type)
			if err != nil {
				c.errs = append(c.errs, fmt.Errorf("sync: %s.%s: tag validate: %w", t, f.Struct.Name, err))
				continue
			}
			m.place = c.place(f.Struct.Type, r)
		} else {
			m.place = &place{shape: c.shape(f.Struct.Type)}
		}
		mm = append(mm, m)
	}
	for f := range t.Fields() {
		if _, ok := f.Tag.Lookup("validate"); ok && !reached[fmt.Sprint(f.Index)] {
			c.errs = append(c.errs, fmt.Errorf("sync: %s.%s: tag validate: want a field that JSON decodes", t, f.Name))
		}
	}
	return mm
}

// prune cuts off what has nothing to check.
func (c *compiler) prune(root *place) {
	for changed := true; changed; { // recursive types need more than one pass
		changed = false
		for _, s := range c.all {
			if !s.useful && s.hasWork() {
				s.useful, changed = true, true
			}
		}
	}
	for _, s := range c.all {
		fields := s.fields[:0]
		for _, m := range s.fields {
			if m.place.hasWork() {
				m.place.prune()
				fields = append(fields, m)
			}
		}
		s.fields = fields
		if s.elem != nil && s.elem.hasWork() {
			s.elem.prune()
		} else {
			s.elem = nil
		}
	}
	root.prune()
}

func (s *shape) hasWork() bool {
	if s.method || s.elem != nil && s.elem.hasWork() {
		return true
	}
	for _, m := range s.fields {
		if m.place.hasWork() {
			return true
		}
	}
	return false
}

func (p *place) hasWork() bool {
	return p.required || len(p.checks) > 0 || p.shape != nil && p.shape.useful
}

func (p *place) prune() {
	if p.shape != nil && !p.shape.useful {
		p.shape = nil
	}
}
