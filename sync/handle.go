package sync

import (
	"context"
	"errors"
	"reflect"

	"github.com/beatlabs/patron/encoding"
)

// Handle makes a processor of a typed function: the body is decoded into In by the content type of the request and validated, and what fn returns becomes the
// payload of the response.
//
// In may be a struct, a pointer to one, or anything else that the format decodes into. For an empty struct, struct{}, nothing is read. For *[Request] nothing
// is read either, and fn gets the request.
//
// Validation is that of [Validator]: struct tags and Validate methods. If the input is wrong, fn is not called, and the error is that of [Request.Decode] with
// the faults of the validation among its Faults, in the order of their pointers, at most encoding.MaxFaults. What could not be decoded is not validated. A JSON
// null is the zero value of In, as everywhere null is as if absent.
//
// Out may be anything that the format encodes. An empty struct, a nil pointer and a nil interface are answers without content; a nil slice or map is a
// payload like any other. A *[Response] or Response is the response itself, a nil *Response one without content. An error of fn is returned as it is, and what
// fn returned beside it is dropped.
//
// A nil fn and a faulty validate tag cannot be reported here, so the processor answers every request with Internal and says why in Err. [Check] finds it
// earlier.
func Handle[In, Out any](fn func(context.Context, In) (Out, error)) ProcessorFunc {
	input, err := newInput[In]()
	if fn == nil {
		err = errors.Join(errors.New("sync: handle: nil function"), err)
	}
	respond := newOutput[Out]()
	h := &handler{err: err, call: func(ctx context.Context, req *Request) (*Response, error) {
		in, err := input(req)
		if err != nil {
			return nil, err
		}
		out, err := fn(ctx, in)
		if err != nil {
			return nil, err
		}
		return respond(out), nil
	}}
	return h.process
}

// Check returns what is wrong with a processor that [Handle] made, for whoever registers it; nil for every other processor, one in a middleware included. It
// does not run the processor.
func Check(p ProcessorFunc) error {
	// All processors of Handle are the same method of different handlers, so they share their code.
	if p == nil || reflect.ValueOf(p).Pointer() != reflect.ValueOf((*handler)(nil).process).Pointer() {
		return nil
	}
	_, err := p(checking{}, nil)
	return err
}

// checking is the context with which Check calls a handler.
type checking struct {
	context.Context
}

// handler is what Handle makes, without its type parameters.
type handler struct {
	call ProcessorFunc
	err  error // why it cannot work
}

func (h *handler) process(ctx context.Context, req *Request) (*Response, error) {
	if _, ok := ctx.(checking); ok {
		return nil, h.err
	}
	if h.err != nil {
		return nil, &Error{Code: Internal, Err: h.err}
	}
	return h.call(ctx, req)
}

// newInput returns the function that takes an In from a request.
func newInput[In any]() (func(*Request) (In, error), error) {
	t := reflect.TypeFor[In]()
	if t == reflect.TypeFor[*Request]() {
		return func(req *Request) (In, error) { return any(req).(In), nil }, nil //nolint:forcetypeassert // In is *Request
	}
	if isEmpty(t) {
		return func(*Request) (In, error) {
			var in In
			return in, nil
		}, nil
	}
	if t.Kind() == reflect.Pointer { // a message of protobuf cannot be decoded through a pointer to its pointer
		t = t.Elem()
		plan, err := compile(t)
		return func(req *Request) (In, error) {
			in := reflect.New(t)
			return in.Interface().(In), read(req, plan, in) //nolint:forcetypeassert // In is a pointer to t
		}, err
	}
	plan, err := compile(t)
	return func(req *Request) (In, error) {
		in := new(In)
		err := read(req, plan, reflect.ValueOf(in))
		return *in, err
	}, err
}

// read decodes the body into what in points at, and validates that.
func read(req *Request, plan *place, in reflect.Value) error {
	err := req.decodeBody(in.Interface())
	if err == nil {
		if ff := plan.validate(in.Elem(), nil); len(ff) > 0 {
			return invalid(ff, nil)
		}
		return nil
	}
	if e, ok := errors.AsType[*encoding.DataError](err); ok && e != nil && e.Filled && req.body.err == nil {
		return invalid(merge(e.Faults, plan.validate(in.Elem(), e.Faults)), e.Err)
	}
	return req.coded(err)
}

// newOutput returns the function that makes a response of an Out.
func newOutput[Out any]() func(Out) *Response {
	t := reflect.TypeFor[Out]()
	if isEmpty(t) {
		return func(Out) *Response { return nil }
	}
	pointer := t.Kind() == reflect.Pointer
	return func(out Out) *Response {
		payload := any(out)
		switch p := payload.(type) {
		case nil:
			return nil
		case *Response:
			return p
		case Response:
			return &p
		}
		var none Out
		if pointer && payload == any(none) {
			return nil
		}
		return &Response{Payload: payload}
	}
}

func isEmpty(t reflect.Type) bool { return t.Kind() == reflect.Struct && t.NumField() == 0 }
