package sync

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/beatlabs/patron/encoding"
)

// Request is what a processor gets. It belongs to one call: a processor keeps no part of it after it has returned, and does not use it concurrently.
type Request struct {
	Fields  map[string]string // path parameters and the first value of each query parameter; a path parameter wins. May be nil.
	Raw     io.Reader         // the body, to be read once. May be nil: an empty body. One with a method Len() int, what is left, is read without growing.
	Headers map[string]string // the headers, by names as the transport spells them: see Header. May be nil.

	decode encoding.DecodeFunc
	body   body
}

// NewRequest returns a Request. Nothing is copied, and every argument may be nil: without a decode function Decode fails, with Internal.
func NewRequest(fields map[string]string, raw io.Reader, headers map[string]string, decode encoding.DecodeFunc) *Request {
	return &Request{Fields: fields, Raw: raw, Headers: headers, decode: decode}
}

// Field returns the named path or query parameter, or "".
func (r *Request) Field(name string) string { return r.Fields[name] }

// Header returns the named header, or "". The case of the name does not matter; the spelling of net/http, "Content-Type", is found fastest over HTTP.
func (r *Request) Header(name string) string {
	if v, ok := r.Headers[name]; ok {
		return v
	}
	for n, v := range r.Headers {
		if strings.EqualFold(n, name) {
			return v
		}
	}
	return ""
}

// Decode reads Raw to its end and decodes it into v, a non-nil pointer, by the content type of the request. It validates nothing; [Handle] and
// [Validator] do. A second call finds the body read, and so empty. It blocks as long as Raw does.
//
// What the sender did wrong is an [Error] with InvalidArgument: with Faults for every value that does not fit v, without for a body that is not in its format
// at all. A v that the format cannot decode into is an Error with Internal. An error of Raw is wrapped, without a code of its own, so that errors.As finds it.
func (r *Request) Decode(v any) error {
	err := r.decodeBody(v)
	if err == nil {
		return nil
	}
	return r.coded(err)
}

// decodeBody returns the error of the decoder as it is.
func (r *Request) decodeBody(v any) error {
	if r.decode == nil {
		return &Error{Code: Internal, Err: errors.New("sync: request without a decode function")}
	}
	if r.Raw == nil {
		return r.decode(nil, v)
	}
	r.body = body{raw: r.Raw}
	return r.decode(&r.body, v)
}

// coded gives an error of decodeBody its code.
func (r *Request) coded(err error) error {
	if r.body.err != nil { // whatever the decoder made of it
		if errors.Is(err, r.body.err) {
			return fmt.Errorf("body: %w", err)
		}
		return fmt.Errorf("body: %w", r.body.err)
	}
	if e, ok := errors.AsType[*Error](err); ok && e != nil {
		return err
	}
	if errors.Is(err, encoding.ErrValue) {
		return &Error{Code: Internal, Err: err}
	}
	if e, ok := errors.AsType[*encoding.DataError](err); ok && e != nil {
		if len(e.Faults) > 0 {
			return invalid(e.Faults, e.Err)
		}
		return &Error{Code: InvalidArgument, Message: e.Detail, Err: e.Err}
	}
	if e, ok := errors.AsType[*encoding.MediaTypeError](err); ok && e != nil {
		return &Error{Code: InvalidArgument, Message: e.Error(), Err: e.Err}
	}
	return &Error{Code: InvalidArgument, Message: "the input cannot be decoded", Err: err}
}

// body remembers the error of the reader, so that a broken connection is told from broken data whatever a decoder makes of it.
type body struct {
	raw io.Reader
	err error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.raw.Read(p)
	if err != nil && err != io.EOF { // an error that wraps EOF is not the end
		b.err = err
	}
	return n, err
}

// Len returns how many bytes are left as far as Raw knows, or -1: encoding.ReadAll asks for it.
func (b *body) Len() int {
	if l, ok := b.raw.(interface{ Len() int }); ok {
		return l.Len()
	}
	return -1
}
