package cloudevents

import (
	"errors"
	"fmt"
	"strings"

	"github.com/beatlabs/patron/async"
)

// ErrNotEvent is wrapped by the errors of messages that are no CloudEvents at all: they have no specversion.
var ErrNotEvent = errors.New("cloudevents: not an event")

// Read returns the event that msg is, in binary mode of any binding or in structured mode. Its Data is that of the message where that is the same bytes.
// Errors are [*async.DecodeError], which is permanent, and join everything that is wrong; those of a message that is no event wrap [ErrNotEvent].
func Read(msg *async.Message) (Event, error) {
	e, err := read(msg)
	if err == nil {
		err = e.Validate()
	}
	if err != nil {
		return Event{}, &async.DecodeError{Err: err}
	}
	return e, nil
}

func read(msg *async.Message) (Event, error) {
	contentType := msg.Headers.Get(async.HeaderContentType)
	if isStructured(contentType) {
		return readStructured(contentType, msg.Data)
	}
	f, ok := formOf(msg.Headers)
	if !ok {
		return Event{}, ErrNotEvent
	}
	e, err := readForm(f, msg.Headers)
	if err != nil {
		return Event{}, fmt.Errorf("cloudevents: %w", err)
	}
	if contentType != "" {
		e.DataContentType = contentType
	}
	e.Data = msg.Data
	return e, nil
}

// formOf returns the form in which headers have attributes: that of the first specversion.
func formOf(h async.Headers) (form, bool) {
	for _, f := range forms() {
		if h.Has(f.prefix + nameSpecVersion) {
			return f, true
		}
	}
	return form{}, false
}

// readForm reads the attributes in one form.
func readForm(f form, h async.Headers) (Event, error) {
	var e Event
	var errs []error
	seen := make(map[string]bool)
	for _, header := range h {
		name, ok := f.attribute(header.Key)
		if !ok {
			continue
		}
		if seen[name] {
			errs = append(errs, fmt.Errorf("attribute %s is there twice", name))
			continue
		}
		seen[name] = true
		value, err := f.decode(header.Value)
		if err == nil {
			err = e.set(name, value)
		} else {
			err = fmt.Errorf("attribute %s: %w", name, err)
		}
		errs = append(errs, err)
	}
	return e, errors.Join(errs...)
}

// Message returns a message that is the event, in binary mode. The extension partitionkey is its key. It shares Data. The error says everything that is
// wrong with the event.
func (e *Event) Message(b Binding) (*async.Message, error) {
	m := &async.Message{ID: e.ID, Time: e.Time, Data: e.Data}
	if key := e.Extensions[namePartitionKey]; key != "" {
		m.Key = []byte(key)
	}
	if err := e.write(&m.Headers, b); err != nil {
		return nil, err
	}
	return m, nil
}

// write puts the attributes into h, in the place of those that are there in whatever form.
func (e *Event) write(h *async.Headers, b Binding) error {
	f, err := b.form()
	if err != nil {
		return fmt.Errorf("cloudevents: %w", err)
	}
	if err := e.Validate(); err != nil {
		return err
	}
	kept := make(async.Headers, 0, len(*h)+8)
	for _, header := range *h {
		if !isAttribute(header.Key) {
			kept = append(kept, header)
		}
	}
	for _, a := range e.attributes() {
		kept = append(kept, async.Header{Key: f.prefix + a.name, Value: f.encode(a.value)})
	}
	if e.DataContentType != "" {
		kept.Set(async.HeaderContentType, e.DataContentType)
	}
	*h = kept
	return nil
}

// isAttribute reports whether a header is an attribute in any form.
func isAttribute(key string) bool {
	for _, f := range forms() {
		if _, ok := f.attribute(key); ok {
			return true
		}
	}
	return false
}

// TypeOf returns the type of msg for async.ByFunc: what async.TypeOf says, else the type of an event in structured mode, else "".
func TypeOf(msg *async.Message) string {
	if t := async.TypeOf(msg); t != "" || !isStructured(msg.Headers.Get(async.HeaderContentType)) {
		return t
	}
	e, err := Read(msg)
	if err != nil {
		return ""
	}
	return e.Type
}

func isStructured(contentType string) bool {
	const start = "application/cloudevents"
	return len(contentType) >= len(start) && strings.EqualFold(contentType[:len(start)], start)
}
