package jaeger

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"unicode/utf8"
)

// reader reads the Thrift compact protocol into plain Go values, with nothing in common with the encoder but the specification: a struct becomes a
// map of its fields, a list a slice. It is strict: a short form that was not used, an overlong integer or text that is not UTF-8 is an error.
type reader struct {
	in  []byte
	err error
}

type fields map[int]any

// binaryOrString is what the wire does not tell apart.
type binaryOrString string

func (r *reader) failf(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.in) {
		r.failf("%d bytes wanted, %d left", n, len(r.in))
		return make([]byte, min(max(n, 0), 8))
	}
	out := r.in[:n]
	r.in = r.in[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) varint(bits int) uint64 {
	var v uint64
	for shift := 0; ; shift += 7 {
		b := r.byte()
		if r.err != nil || shift > 63 {
			r.failf("varint too long")
			return 0
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if b == 0 && shift > 0 {
				r.failf("overlong varint")
			}
			break
		}
	}
	if bits < 64 && v>>bits != 0 {
		r.failf("varint %d: more than %d bits", v, bits)
	}
	return v
}

func (r *reader) zigzag(bits int) int64 {
	v := r.varint(bits)
	half := int64(v / 2)
	if v%2 == 1 {
		return -half - 1
	}
	return half
}

// value reads a value of the type that its header names; true and false have no value but their type.
func (r *reader) value(typ byte) any {
	switch typ {
	case 1:
		return true
	case 2:
		return false
	case 3:
		return int8(r.byte())
	case 4:
		return int16(r.zigzag(16))
	case 5:
		return int32(r.zigzag(32))
	case 6:
		return r.zigzag(64)
	case 7:
		return math.Float64frombits(binary.LittleEndian.Uint64(r.take(8)))
	case 8:
		return binaryOrString(r.take(int(r.varint(31))))
	case 9:
		return r.list()
	case 12:
		return r.fields()
	default:
		r.failf("type %d", typ)
		return nil
	}
}

func (r *reader) list() []any {
	header := r.byte()
	n := int(header >> 4)
	if n == 15 {
		if n = int(r.varint(31)); n < 15 {
			r.failf("long form for a list of %d", n)
		}
	}
	if n > len(r.in) {
		r.failf("list of %d in %d bytes", n, len(r.in))
		return nil
	}
	out := make([]any, 0, n)
	for range n {
		out = append(out, r.value(header&15))
		if r.err != nil {
			return nil
		}
	}
	return out
}

func (r *reader) fields() fields {
	out := fields{}
	id := 0
	for r.err == nil {
		header := r.byte()
		if header == 0 {
			break
		}
		if delta := int(header >> 4); delta > 0 {
			id += delta
		} else {
			next := int(r.zigzag(16))
			if d := next - id; d >= 1 && d <= 15 {
				r.failf("long form for a delta of %d", d)
			}
			id = next
		}
		if _, twice := out[id]; twice {
			r.failf("field %d twice", id)
		}
		out[id] = r.value(header & 15)
	}
	return out
}

// What jaeger.thrift says, with the tags as a map and the IDs as they were before they became signed.
type (
	wireBatch struct {
		Service string
		Process map[string]any
		Spans   []wireSpan
	}
	wireSpan struct {
		TraceLow, TraceHigh, ID, Parent uint64
		Name                            string
		Refs                            []wireRef
		Flags                           int32
		Start, Duration                 int64
		Tags                            map[string]any
		Logs                            []wireLog
	}
	wireRef struct {
		Type                    int32
		TraceLow, TraceHigh, ID uint64
	}
	wireLog struct {
		Time   int64
		Fields map[string]any
	}
)

// decode reads a datagram.
func decode(packet []byte) (wireBatch, error) {
	r := &reader{in: packet}
	if b := r.byte(); b != 0x82 {
		r.failf("protocol %#x", b)
	}
	if b := r.byte(); b>>5 != 4 || b&31 != 1 {
		r.failf("message type and version %#x: want a oneway call, version 1", b)
	}
	r.varint(32)
	if name := string(r.take(int(r.varint(31)))); name != "emitBatch" {
		r.failf("method %q", name)
	}
	args := r.fields()
	if r.err == nil && len(r.in) > 0 {
		r.failf("%d bytes too many", len(r.in))
	}
	if r.err != nil {
		return wireBatch{}, r.err
	}
	d := &shaper{}
	out := d.batch(get[fields](d, args, 1))
	d.rest(args)
	return out, d.err
}

func mustDecode(tb testing.TB, packet []byte) wireBatch {
	tb.Helper()
	b, err := decode(packet)
	if err != nil {
		tb.Fatalf("decode: %v in %x", err, packet)
	}
	return b
}

// shaper gives the fields the shape of jaeger.thrift. Each field is taken out of its map, so that what rest finds is unknown to the IDL.
type shaper struct{ err error }

func get[T any](d *shaper, f fields, id int) T {
	v, ok := f[id].(T)
	if !ok && d.err == nil {
		d.err = fmt.Errorf("field %d: got %T, want %T", id, f[id], v)
	}
	delete(f, id)
	return v
}

func (d *shaper) rest(f fields) {
	if len(f) > 0 && d.err == nil {
		d.err = fmt.Errorf("unknown fields %v", f)
	}
}

func (d *shaper) text(f fields, id int) string {
	s := string(get[binaryOrString](d, f, id))
	if !utf8.ValidString(s) && d.err == nil {
		d.err = fmt.Errorf("field %d: %q is not UTF-8", id, s)
	}
	return s
}

func (d *shaper) batch(f fields) wireBatch {
	process := get[fields](d, f, 1)
	out := wireBatch{Service: d.text(process, 1), Process: d.tags(process, 2)}
	d.rest(process)
	for _, s := range get[[]any](d, f, 2) {
		out.Spans = append(out.Spans, d.span(s.(fields)))
	}
	d.rest(f)
	return out
}

func (d *shaper) span(f fields) wireSpan {
	out := wireSpan{
		TraceLow:  uint64(get[int64](d, f, 1)),
		TraceHigh: uint64(get[int64](d, f, 2)),
		ID:        uint64(get[int64](d, f, 3)),
		Parent:    uint64(get[int64](d, f, 4)),
		Name:      d.text(f, 5),
		Flags:     get[int32](d, f, 7),
		Start:     get[int64](d, f, 8),
		Duration:  get[int64](d, f, 9),
		Tags:      d.tags(f, 10),
	}
	for _, r := range optionalList(d, f, 6) {
		ref := r.(fields)
		out.Refs = append(out.Refs, wireRef{
			Type: get[int32](d, ref, 1), TraceLow: uint64(get[int64](d, ref, 2)), TraceHigh: uint64(get[int64](d, ref, 3)), ID: uint64(get[int64](d, ref, 4)),
		})
		d.rest(ref)
	}
	for _, l := range optionalList(d, f, 11) {
		log := l.(fields)
		out.Logs = append(out.Logs, wireLog{Time: get[int64](d, log, 1), Fields: d.tags(log, 2)})
		d.rest(log)
	}
	d.rest(f)
	return out
}

func optionalList(d *shaper, f fields, id int) []any {
	if _, ok := f[id]; !ok {
		return nil
	}
	return get[[]any](d, f, id)
}

func (d *shaper) tags(f fields, id int) map[string]any {
	list := optionalList(d, f, id)
	if list == nil {
		return nil
	}
	out := make(map[string]any, len(list))
	for _, t := range list {
		tag := t.(fields)
		key := d.text(tag, 1)
		var v any
		switch typ := get[int32](d, tag, 2); typ {
		case 0:
			v = d.text(tag, 3)
		case 1:
			v = get[float64](d, tag, 4)
		case 2:
			v = get[bool](d, tag, 5)
		case 3:
			v = get[int64](d, tag, 6)
		case 4:
			v = []byte(get[binaryOrString](d, tag, 7))
		default:
			d.err = fmt.Errorf("tag %q: type %d", key, typ)
		}
		d.rest(tag)
		out[key] = v
	}
	return out
}
