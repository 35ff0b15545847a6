package protobuf

import (
	"fmt"
	"io"
	"reflect"

	"github.com/beatlabs/patron/encoding"
	"google.golang.org/protobuf/proto"
)

// The content types of Protocol Buffers. There is no charset to a binary format: TypeCharset is Type, under the name that the JSON codec has, too.
const (
	Type         = "application/x-protobuf"
	TypeCharset  = Type
	TypeGoogle   = "application/x-google-protobuf"
	TypeStandard = "application/protobuf"
)

var (
	_ encoding.DecodeFunc    = Decode
	_ encoding.DecodeRawFunc = DecodeRaw
	_ encoding.EncodeFunc    = Encode
)

// Codec returns the codec for Protocol Buffers. It reads and writes [Type], [TypeGoogle] and [TypeStandard], in this order of preference.
func Codec() encoding.Codec {
	return encoding.Codec{
		MediaTypes: []string{Type, TypeGoogle, TypeStandard},
		Decode:     Decode,
		DecodeRaw:  DecodeRaw,
		Encode:     Encode,
	}
}

// Decode reads data to its end, at most encoding.MaxSize bytes, and decodes it into v like [DecodeRaw]. It blocks as long as the reader does and returns the
// reader's error as it is.
func Decode(data io.Reader, v any) error {
	raw, err := encoding.ReadAll(data)
	if err != nil {
		return err
	}
	return DecodeRaw(raw, v)
}

// DecodeRaw resets the message v and decodes data into it; empty data is the empty message. v may also point at a message's pointer, which is set to a new
// message if it is nil. A v that is neither, or is nil, gives an error that wraps encoding.ErrValue. Data that is malformed, or lacks a required field, gives
// an [*encoding.DataError] without faults: the format says neither where nor what.
func DecodeRaw(data []byte, v any) error {
	m, err := message(pointee(v))
	if err != nil {
		return fmt.Errorf("protobuf: decode into %T: %w", v, err)
	}
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(data, m); err != nil {
		return &encoding.DataError{Detail: "malformed protobuf message", Err: err}
	}
	if err := proto.CheckInitialized(m); err != nil {
		return &encoding.DataError{Detail: "protobuf message without a required field", Err: err}
	}
	return nil
}

// Encode returns the wire form of v, a non-nil proto.Message; any other v, and a message without one of its required fields, gives an error that wraps
// encoding.ErrValue. The bytes of equal messages may differ.
func Encode(v any) ([]byte, error) {
	m, err := message(v)
	if err != nil {
		return nil, fmt.Errorf("protobuf: encode %T: %w", v, err)
	}
	data, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("protobuf: encode %T: %w: %w", v, encoding.ErrValue, err)
	}
	return data, nil
}

// pointee returns the message pointer that v points at, made if need be, or v if it points at none. encoding/json does the same, so that one generic function
// can decode a *M with either.
func pointee(v any) any {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return v
	}
	p := rv.Elem()
	if p.Kind() != reflect.Pointer || !p.Type().Implements(reflect.TypeFor[proto.Message]()) {
		return v
	}
	if p.IsNil() {
		p.Set(reflect.New(p.Type().Elem()))
	}
	return p.Interface()
}

// message returns v as a message that can be used.
func message(v any) (proto.Message, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("want a proto.Message: %w", encoding.ErrValue)
	}
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
		return nil, fmt.Errorf("want a message, not nil: %w", encoding.ErrValue)
	}
	if !m.ProtoReflect().IsValid() {
		return nil, fmt.Errorf("want a message that is valid: %w", encoding.ErrValue)
	}
	return m, nil
}
