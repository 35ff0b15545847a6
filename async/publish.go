package async

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/json"
	"github.com/beatlabs/patron/reliability"
)

// PublishOption sets something of the message that [Publish] sends. It checks its value. It is no [OptionFunc]: what belongs to a message cannot be given
// to a component, nor the other way round. Options are applied in their order to a message that has its key, data and content type, so one of your own may
// read them.
type PublishOption func(*Message) error

// WithID gives the message an ID of the caller's, by which a consumer knows it again. Without it each message gets a new one: who publishes again after an
// error that wraps [ErrUnknown] should give the same ID both times.
func WithID(id string) PublishOption {
	return func(m *Message) error {
		if id == "" {
			return errors.New("id is empty")
		}
		m.ID = id
		return nil
	}
}

// WithType sets the type of the message, by which [Route] chooses a processor. It travels in [HeaderType].
func WithType(name string) PublishOption {
	return func(m *Message) error {
		if name == "" {
			return errors.New("type is empty")
		}
		m.Headers.Set(HeaderType, name)
		return nil
	}
}

// WithHeader sets a header; one with the same key is replaced.
func WithHeader(key, value string) PublishOption {
	return func(m *Message) error {
		if key == "" {
			return errors.New("header without a key")
		}
		m.Headers.Set(key, value)
		return nil
	}
}

// WithHeaders sets several headers, those of a message that was received for instance. It copies them.
func WithHeaders(h Headers) PublishOption {
	h = slices.Clone(h)
	return func(m *Message) error {
		for _, e := range h {
			if err := WithHeader(e.Key, e.Value)(m); err != nil {
				return err
			}
		}
		return nil
	}
}

// WithDueIn holds the message back: no consumer is given it before d is over. The send fails if the broker cannot, see [Scheduler].
func WithDueIn(d time.Duration) PublishOption {
	return func(m *Message) error {
		if d < 0 {
			return fmt.Errorf("due in %v: want at least 0", d)
		}
		m.Due = time.Now().Add(d)
		return nil
	}
}

// WithDueAt holds the message back until t; one that has passed is no delay. The send fails if the broker cannot, see [Scheduler].
func WithDueAt(t time.Time) PublishOption {
	return func(m *Message) error {
		if t.IsZero() {
			return errors.New("due at the zero time: want a time")
		}
		m.Due = t
		return nil
	}
}

// WithExpiresIn makes the message a dead letter, with the cause [ErrExpired], if no handler was started on it within d.
func WithExpiresIn(d time.Duration) PublishOption {
	return func(m *Message) error {
		if d <= 0 {
			return fmt.Errorf("expires in %v: want above 0", d)
		}
		m.Expires = time.Now().Add(d)
		return nil
	}
}

// WithExpiresAt makes the message a dead letter, with the cause [ErrExpired], if no handler was started on it by t.
func WithExpiresAt(t time.Time) PublishOption {
	return func(m *Message) error {
		if t.IsZero() {
			return errors.New("expires at the zero time: want a time")
		}
		m.Expires = t
		return nil
	}
}

// Publish encodes v as JSON and sends it with key. It returns when the broker has confirmed it, and the errors of [Producer.Send]; a single message is
// named by the error itself, not by a *BatchError. An empty key gives a message without order. What options refuse is permanent, and then nothing is sent.
func Publish[T any](ctx context.Context, p Producer, key string, v T, oo ...PublishOption) error {
	return PublishWith(ctx, p, json.Codec(), key, v, oo...)
}

// PublishWith is [Publish] with a codec of the caller's choice.
func PublishWith[T any](ctx context.Context, p Producer, codec encoding.Codec, key string, v T, oo ...PublishOption) error {
	if codec.Encode == nil {
		return reliability.Permanent(errors.New("async: publish: codec without Encode"))
	}
	data, err := codec.Encode(v)
	if err != nil {
		return err
	}
	m := &Message{Data: data, Headers: Headers{{Key: HeaderContentType, Value: codec.ContentType()}}}
	if key != "" {
		m.Key = []byte(key)
	}
	if err := m.apply(oo); err != nil {
		return err
	}
	err = p.Send(ctx, m)
	if batch, ok := errors.AsType[*BatchError](err); ok && batch.Errors[0] != nil {
		return batch.Errors[0]
	}
	return err
}

// apply applies oo, and returns everything that is wrong with them.
func (m *Message) apply(oo []PublishOption) error {
	if len(oo) == 0 {
		return nil
	}
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(m))
	}
	if err := errors.Join(errs...); err != nil {
		return reliability.Permanent(fmt.Errorf("async: publish: %w", err))
	}
	return nil
}
