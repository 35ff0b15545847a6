package json

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"

	"github.com/beatlabs/patron/encoding"
)

// misfit accounts for an error of json.Unmarshal on valid JSON: it finds every value of data that does not fit the type of v, and fills v with the rest.
//
// encoding/json gives up at the first error of an UnmarshalJSON and leaves what comes after it unset. So the faulty values are replaced by null in a copy of
// the document, and that is decoded again: v then has all that was right, and whoever validates it finds no value missing that was there.
func misfit(data []byte, v any, cause error) error {
	w := walker{data: data, structs: make(map[reflect.Type]*structType)}
	w.value(target(reflect.TypeOf(v)))
	e := &encoding.DataError{Faults: w.faults, Err: cause}
	switch {
	case len(w.faults) == 0: // v holds values of its own that decide, or a type that no data fits
		e.Faults = []encoding.Fault{{Detail: "is not valid"}}
	case w.full():
		e.Faults = encoding.LimitFaults(w.faults)
	default:
		e.Filled = fill(data, v, w.spans)
	}
	e.Detail = "1 value does not fit"
	if n := len(e.Faults); n > 1 {
		e.Detail = strconv.Itoa(n) + " values do not fit"
	}
	return e
}

// target returns the type to walk along for a pointer of type p. encoding/json finds the methods of an unnamed type only through the pointer that it is
// given, nowhere else.
func target(p reflect.Type) reflect.Type {
	if t := p.Elem(); t.Name() != "" || t.Kind() == reflect.Pointer || owner(p) == ownNone {
		return t
	}
	return p
}

// fill decodes data into v with null in place of the spans, and reports whether all the rest went in.
func fill(data []byte, v any, spans []span) bool {
	patched := make([]byte, 0, len(data)+len("null")*len(spans))
	from := 0
	for _, s := range spans {
		patched = append(patched, data[from:s.start]...)
		patched = append(patched, "null"...)
		from = s.end
	}
	return json.Unmarshal(append(patched, data[from:]...), v) == nil
}

// details returns the faults that the error of an UnmarshalJSON or UnmarshalText stands for, relative to its value.
func details(err error, fallback string) []encoding.Fault {
	e, ok := errors.AsType[*encoding.DataError](err)
	switch {
	case ok && e != nil && len(e.Faults) > 0:
		return e.Faults
	case ok && e != nil && e.Detail != "":
		return []encoding.Fault{{Detail: e.Detail}}
	default:
		return []encoding.Fault{{Detail: fallback}}
	}
}
