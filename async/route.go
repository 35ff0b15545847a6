package async

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/beatlabs/patron/reliability"
)

// UnknownTypeError says that a router has no processor for the type of a message. It is permanent, so the failure policy decides at once: with a dead
// letter the message is kept there, from where it is replayed when there is a processor for it.
type UnknownTypeError struct {
	Type string // "": the message says no type
}

// Error names the type.
func (e *UnknownTypeError) Error() string {
	if e.Type == "" {
		return "route: message without a type"
	}
	return fmt.Sprintf("route: message of unknown type %q", e.Type)
}

// Class makes the error permanent, see [reliability.Classify].
func (e *UnknownTypeError) Class() reliability.Class { return reliability.ClassPermanent }

// typeHeaders are where a message may say its type, the first that does counts: our own, and those of CloudEvents in the bindings of Kafka, AMQP and HTTP,
// whose values are percent-encoded.
const (
	typeHeaderKafka   = "ce_type"
	typeHeaderAMQP    = "cloudEvents:type"
	typeHeaderAMQPAlt = "cloudEvents_type"
	typeHeaderHTTP    = "ce-type"
)

// TypeOf returns the type of msg: what [HeaderType] says, else the type of a CloudEvent in binary mode, else "".
func TypeOf(msg *Message) string {
	for _, key := range [...]string{HeaderType, typeHeaderKafka, typeHeaderAMQP, typeHeaderAMQPAlt, typeHeaderHTTP} {
		t := msg.Headers.Get(key)
		if t == "" {
			continue
		}
		if key == typeHeaderHTTP {
			if decoded, err := url.PathUnescape(t); err == nil {
				return decoded
			}
		}
		return t
	}
	return ""
}

// RouteOption says one thing of a router, see [Route].
type RouteOption func(*router) error

// router chooses by type.
type router struct {
	typeOf   func(*Message) string
	byType   map[string]ProcessorFunc
	fallback ProcessorFunc
}

// OnType gives messages of a type to proc.
func OnType(name string, proc ProcessorFunc) RouteOption {
	return func(r *router) error {
		switch {
		case name == "":
			return errors.New("empty type: want a name, or Otherwise for messages without one")
		case proc == nil:
			return fmt.Errorf("type %q: processor is nil", name)
		case r.byType[name] != nil:
			return fmt.Errorf("type %q has two processors", name)
		}
		r.byType[name] = proc
		return nil
	}
}

// Otherwise gives messages of every other type, and those without one, to proc. Without it they fail with an [*UnknownTypeError].
func Otherwise(proc ProcessorFunc) RouteOption {
	return func(r *router) error {
		switch {
		case proc == nil:
			return errors.New("otherwise: processor is nil")
		case r.fallback != nil:
			return errors.New("otherwise: given twice")
		}
		r.fallback = proc
		return nil
	}
}

// ByFunc takes the type of a message from typeOf instead of [TypeOf]. It must not block and is called for each attempt, by several goroutines.
func ByFunc(typeOf func(*Message) string) RouteOption {
	return func(r *router) error {
		if typeOf == nil {
			return errors.New("by function: it is nil")
		}
		r.typeOf = typeOf
		return nil
	}
}

// Route returns a processor that gives each message to the one for its type, so that one component, with one order and one failure policy, serves a source on
// which different messages travel. It needs a type or a fallback, and returns everything that is wrong with its options, joined.
//
//	proc, err := async.Route(
//		async.OnType("order.placed", async.Handle(place)),
//		async.OnType("order.cancelled", async.Handle(cancel)),
//	)
func Route(oo ...RouteOption) (ProcessorFunc, error) {
	r := &router{typeOf: TypeOf, byType: make(map[string]ProcessorFunc)}
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(r))
	}
	err := errors.Join(errs...)
	if err == nil && len(r.byType) == 0 && r.fallback == nil {
		err = errors.New("no types: want at least one")
	}
	if err != nil {
		return nil, fmt.Errorf("async: route: %w", err)
	}
	return r.process, nil
}

func (r *router) process(ctx context.Context, msg *Message) error {
	name := r.typeOf(msg)
	proc := r.byType[name]
	if proc == nil {
		proc = r.fallback
	}
	if proc == nil {
		return &UnknownTypeError{Type: name}
	}
	return proc(ctx, msg)
}
