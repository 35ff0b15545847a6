package json

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/encoding"
)

// walker walks a document that is known to be valid JSON along a type and notes what does not fit. It takes containers apart itself and asks encoding/json
// about every value whose type has a say in its decoding, so that both agree on what fits.
type walker struct {
	data    []byte
	pos     int
	path    encoding.Path
	faults  []encoding.Fault
	spans   []span // the values to leave out so that the rest can be decoded, in order, without overlap
	structs map[reflect.Type]*structType
}

// span is a part of the document.
type span struct{ start, end int }

// structType is a struct as the walk needs it.
type structType struct {
	members []member
	byName  map[string]*member
}

type member struct {
	Field
	holder      reflect.Type // for a quoted field: a struct that has it alone
	unreachable bool         // in a struct embedded by a pointer that encoding/json cannot set, because its type is not exported
}

// full says that there are more faults than will be reported: the walk ends.
func (w *walker) full() bool { return len(w.faults) > encoding.MaxFaults }

// fault notes a fault at the current place, for the value that starts at start and ends at pos.
func (w *walker) fault(start int, ff ...encoding.Fault) {
	for _, f := range ff {
		if w.full() {
			return
		}
		w.faults = append(w.faults, encoding.Fault{Pointer: w.path.Join(f.Pointer), Detail: f.Detail})
	}
	w.spans = append(w.spans, span{start: start, end: w.pos})
}

// mismatch notes that the value from start to pos is not what the detail asks for.
func (w *walker) mismatch(start int, want string) {
	if want != leftOut {
		want += ", not " + kindOf(w.data[start])
	}
	w.fault(start, encoding.Fault{Detail: want})
}

// value walks over the value at pos, after white space, as one of type t.
func (w *walker) value(t reflect.Type) {
	w.space()
	start := w.pos
	base, own := resolve(t)
	switch {
	case w.full():
		w.pos = len(w.data)
	case w.data[start] == 'n':
		w.skip()
		// null never reaches the methods of a pointer: the pointer becomes nil.
		if own == ownJSON && t.Kind() != reflect.Pointer {
			w.ask(start, t)
		}
	case own == ownJSON:
		w.skip()
		w.ask(start, t)
	case own == ownText:
		w.skip()
		if w.data[start] != '"' {
			w.mismatch(start, "must be a string")
			return
		}
		w.ask(start, t)
	case w.data[start] == '{':
		w.object(base)
	case w.data[start] == '[':
		w.array(base)
	default:
		w.skip()
		w.scalar(start, base)
	}
}

// ask lets encoding/json decode the value from start to pos into a t.
func (w *walker) ask(start int, t reflect.Type) {
	if err := json.Unmarshal(w.data[start:w.pos], reflect.New(t).Interface()); err != nil {
		base, _ := resolve(t)
		w.fault(start, details(err, fallback(base))...)
	}
}

func (w *walker) object(t reflect.Type) {
	start := w.pos
	switch t.Kind() {
	case reflect.Struct:
		w.members(w.structType(t))
	case reflect.Map:
		w.entries(t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			w.skip()
			w.mismatch(start, want(t))
			return
		}
		w.entries(reflect.TypeFor[map[string]any]())
	default:
		w.skip()
		w.mismatch(start, want(t))
	}
}

// members walks over the object at pos as a struct. Its pointers have the names of the struct, not those of the document, which may differ in case.
func (w *walker) members(s *structType) {
	w.pos++ // {
	for w.next('}') {
		_, _, key := w.key()
		m := s.find(key)
		w.space()
		if m == nil {
			w.skip()
			continue
		}
		w.path.Push(m.Name)
		switch start := w.pos; {
		case m.unreachable:
			w.skip()
			w.fault(start, encoding.Fault{Detail: leftOut})
		case m.Quoted:
			w.skip()
			w.quoted(start, m)
		default:
			w.value(m.Struct.Type)
		}
		w.path.Pop()
	}
}

// quoted checks a value for a field with the option "string", whose rules are many and odd: it lets encoding/json decode it as such a field.
func (w *walker) quoted(start int, m *member) {
	if m.holder == nil {
		m.holder = reflect.StructOf([]reflect.StructField{{Name: "Value", Type: m.Struct.Type, Tag: `json:"value,string"`}})
	}
	doc := make([]byte, 0, w.pos-start+len(`{"value":}`))
	doc = append(doc, `{"value":`...)
	doc = append(doc, w.data[start:w.pos]...)
	doc = append(doc, '}')
	if err := json.Unmarshal(doc, reflect.New(m.holder).Interface()); err != nil {
		base, _ := resolve(m.Struct.Type)
		w.fault(start, details(err, "must be a string that holds "+strings.TrimPrefix(want(base), "must be "))...)
	}
}

func (w *walker) entries(t reflect.Type) {
	start := w.pos
	if !isKey(t.Key()) {
		w.skip()
		w.mismatch(start, want(t))
		return
	}
	badKeys := false
	w.pos++ // {
	for w.next('}') {
		start, end, key := w.key()
		w.path.Push(key)
		if !keyFits(w.data[start:end], key, t.Key()) {
			w.faults = append(w.faults, encoding.Fault{Pointer: w.path.Pointer(), Detail: "has a key that is not valid"})
			badKeys = true
		}
		w.space()
		w.value(t.Elem())
		w.path.Pop()
	}
	if badKeys { // no null takes a key out, so the whole map goes
		for len(w.spans) > 0 && w.spans[len(w.spans)-1].start >= start {
			w.spans = w.spans[:len(w.spans)-1]
		}
		w.spans = append(w.spans, span{start: start, end: w.pos})
	}
}

func (w *walker) array(t reflect.Type) {
	start := w.pos
	var elem reflect.Type
	limit := -1
	switch {
	case t.Kind() == reflect.Slice:
		elem = t.Elem()
	case t.Kind() == reflect.Array:
		elem, limit = t.Elem(), t.Len()
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		elem = t
	default:
		w.skip()
		w.mismatch(start, want(t))
		return
	}
	w.pos++ // [
	for i := 0; w.next(']'); i++ {
		if limit >= 0 && i >= limit { // encoding/json drops what an array has no room for
			w.skip()
			continue
		}
		w.path.PushIndex(i)
		w.value(elem)
		w.path.Pop()
	}
}

// scalar checks the string, number or boolean from start to pos against t, which has no methods for it.
func (w *walker) scalar(start int, t reflect.Type) {
	literal := w.data[start:w.pos]
	if t.Kind() == reflect.Interface && t.NumMethod() == 0 {
		if isNumber(literal[0]) {
			w.number(start, reflect.TypeFor[float64]())
		}
		return
	}
	switch c := literal[0]; {
	case c == '"':
		w.text(start, t)
	case isNumber(c):
		w.number(start, t)
	case t.Kind() != reflect.Bool:
		w.mismatch(start, want(t))
	}
}

func (w *walker) text(start int, t reflect.Type) {
	switch {
	case t == reflect.TypeFor[json.Number]():
		w.ask(start, t)
	case t.Kind() == reflect.String:
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		if _, err := base64.StdEncoding.DecodeString(unquote(w.data[start:w.pos])); err != nil {
			w.fault(start, encoding.Fault{Detail: "must be base64 (RFC 4648, section 4)"})
		}
	default:
		w.mismatch(start, want(t))
	}
}

func (w *walker) number(start int, t reflect.Type) {
	literal := string(w.data[start:w.pos])
	var err error
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		_, err = strconv.ParseInt(literal, 10, t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		_, err = strconv.ParseUint(literal, 10, t.Bits())
	case reflect.Float32, reflect.Float64:
		_, err = strconv.ParseFloat(literal, t.Bits())
	default:
		if t != reflect.TypeFor[json.Number]() {
			w.mismatch(start, want(t))
		}
		return
	}
	if err != nil {
		w.fault(start, encoding.Fault{Detail: misfitNumber(literal, t)})
	}
}

func (w *walker) structType(t reflect.Type) *structType {
	s := w.structs[t]
	if s == nil {
		s = &structType{byName: make(map[string]*member)}
		for _, f := range Fields(t) {
			s.members = append(s.members, member{Field: f, unreachable: !isReachable(t, f.Index)})
		}
		for i := range s.members {
			s.byName[s.members[i].Name] = &s.members[i]
		}
		w.structs[t] = s
	}
	return s
}

// isReachable reports whether every pointer on the way to a field of t can be set.
func isReachable(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		f := t.Field(i)
		t = f.Type
		if t.Kind() != reflect.Pointer {
			continue
		}
		if !f.IsExported() {
			return false
		}
		t = t.Elem()
	}
	return true
}

// find returns the field that encoding/json chooses for a key: of that name, else the first one whose name differs in case only.
func (s *structType) find(key string) *member {
	if m := s.byName[key]; m != nil {
		return m
	}
	for i := range s.members {
		if strings.EqualFold(s.members[i].Name, key) {
			return &s.members[i]
		}
	}
	return nil
}

// ownership says who decodes a value.
type ownership uint8

const (
	ownNone ownership = iota // encoding/json, by kind
	ownJSON                  // the type: it has UnmarshalJSON
	ownText                  // the type, from a string: it has UnmarshalText
)

// resolve follows pointers down to the type that is decoded into, stopping where encoding/json finds a method that takes the value over.
func resolve(t reflect.Type) (reflect.Type, ownership) {
	if t.Kind() != reflect.Pointer && t.Name() != "" {
		return t, owner(reflect.PointerTo(t))
	}
	for t.Kind() == reflect.Pointer {
		if own := owner(t); own != ownNone {
			return t.Elem(), own
		}
		t = t.Elem()
	}
	return t, ownNone
}

// textUnmarshaler is encoding.TextUnmarshaler, whose package has the name of ours.
type textUnmarshaler interface{ UnmarshalText(text []byte) error }

func owner(pointer reflect.Type) ownership {
	switch {
	case pointer.NumMethod() == 0:
		return ownNone
	case pointer.Implements(reflect.TypeFor[json.Unmarshaler]()):
		return ownJSON
	case pointer.Implements(reflect.TypeFor[textUnmarshaler]()):
		return ownText
	default:
		return ownNone
	}
}

// isKey reports whether encoding/json takes t for the keys of a map.
func isKey(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return true
	default:
		return reflect.PointerTo(t).Implements(reflect.TypeFor[textUnmarshaler]())
	}
}

// keyFits reports whether the key of a map can be decoded into t.
func keyFits(literal []byte, key string, t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[textUnmarshaler]()) {
		return json.Unmarshal(literal, reflect.New(t).Interface()) == nil
	}
	var err error
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		_, err = strconv.ParseInt(key, 10, t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		_, err = strconv.ParseUint(key, 10, t.Bits())
	}
	return err == nil
}

// fallback is the detail for a value that a type itself refused without saying why.
func fallback(t reflect.Type) string {
	if t == reflect.TypeFor[time.Time]() {
		return "must be a time in the format of RFC 3339"
	}
	return "is not valid"
}
