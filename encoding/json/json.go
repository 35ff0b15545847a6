package json

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/beatlabs/patron/encoding"
)

// The content types of JSON.
const (
	Type        = "application/json"
	TypeCharset = "application/json; charset=utf-8"
)

var (
	_ encoding.DecodeFunc    = Decode
	_ encoding.DecodeRawFunc = DecodeRaw
	_ encoding.EncodeFunc    = Encode
)

// Codec returns the JSON codec. It reads application/json and every media type with the suffix +json, in UTF-8, and writes [TypeCharset].
func Codec() encoding.Codec {
	return encoding.Codec{
		MediaTypes: []string{Type},
		Suffix:     "+json",
		Charset:    "utf-8",
		Decode:     Decode,
		DecodeRaw:  DecodeRaw,
		Encode:     Encode,
	}
}

// Codecs returns the set that holds JSON alone: what every component uses unless it is given another one.
func Codecs() *encoding.Codecs {
	codecs, err := encoding.NewCodecs(Codec())
	if err != nil {
		panic(err) // cannot be: the codec above is valid, and a test says so
	}
	return codecs
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

// DecodeRaw decodes data into v, a non-nil pointer; any other v gives an error that wraps encoding.ErrValue. It returns an [*encoding.DataError] for
// data that is not one JSON text or does not fit v. In the second case the error names up to encoding.MaxFaults faults, and v holds the rest of the
// document if Filled is set.
func DecodeRaw(data []byte, v any) error {
	if i := invalidUTF8(data); i >= 0 {
		return &encoding.DataError{Detail: "invalid UTF-8 at byte " + strconv.Itoa(i)}
	}
	err := json.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*json.InvalidUnmarshalError](err); ok && !isPointer(v) {
		return fmt.Errorf("json: decode into %T: want a non-nil pointer: %w", v, encoding.ErrValue)
	}
	if !json.Valid(data) { // the type of err does not tell: an UnmarshalJSON may return a SyntaxError of its own
		return syntaxError(data, err)
	}
	return misfit(data, v, err)
}

// Encode returns the JSON text of v as encoding/json writes it, with "<", ">" and "&" escaped. A value that has none, such as a channel or an infinite
// float, gives an error that wraps encoding.ErrValue; so does an error of a MarshalJSON, which stays visible to errors.As.
func Encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("json: encode %T: %w: %w", v, encoding.ErrValue, err)
	}
	return data, nil
}

func isPointer(v any) bool {
	rv := reflect.ValueOf(v)
	return rv.Kind() == reflect.Pointer && !rv.IsNil()
}

// invalidUTF8 returns the index of the first byte that is not UTF-8, or -1.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// syntaxError says where data stops being JSON. The text of err stays out of the detail, because it quotes a character of the data.
func syntaxError(data []byte, err error) error {
	if len(bytes.TrimLeft(data, " \t\r\n")) == 0 {
		return &encoding.DataError{Detail: "empty input: want a JSON value", Err: err}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	switch prefixErr := dec.Decode(new(json.RawMessage)); {
	case prefixErr == nil:
		end := int(dec.InputOffset())
		end += len(data[end:]) - len(bytes.TrimLeft(data[end:], " \t\r\n"))
		return &encoding.DataError{Detail: "data after the JSON value, at byte " + strconv.Itoa(end), Err: err}
	case errors.Is(prefixErr, io.ErrUnexpectedEOF):
		return &encoding.DataError{Detail: "JSON that ends early, after byte " + strconv.Itoa(len(data)), Err: err}
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &encoding.DataError{Detail: "malformed JSON at byte " + strconv.FormatInt(max(e.Offset-1, 0), 10), Err: err}
	}
	return &encoding.DataError{Detail: "malformed JSON", Err: err}
}
