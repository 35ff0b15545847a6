package cloudevents

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/reliability"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// OptionFunc sets one option of [Wrap]. It checks its value.
type OptionFunc func(*config) error

type config struct {
	binding  Binding
	typeName string
}

// WithBinding sets how the headers are called. The default is [Kafka].
func WithBinding(b Binding) OptionFunc {
	return func(c *config) error {
		c.binding = b
		_, err := b.form()
		return err
	}
}

// WithDefaultType sets the type of messages that say none. Without it they are refused.
func WithDefaultType(name string) OptionFunc {
	return func(c *config) error {
		if name == "" {
			return errors.New("default type is empty")
		}
		c.typeName = name
		return checkText(nameType, name)
	}
}

// WithAttribute sets an attribute of the event that is published: subject, dataschema, or an extension. What the message itself has is not set this way:
// the ID is async.WithID, the type async.WithType. It needs a producer of [Wrap] to become what its binding wants.
func WithAttribute(name, value string) async.PublishOption {
	return func(m *async.Message) error {
		switch name {
		case nameID, nameType, nameTime, nameSpecVersion, nameDataContentType, nameData:
			return fmt.Errorf("attribute %s: it is a field of the message, not an attribute to set", name)
		}
		if err := errors.Join(checkName(name), checkText(name, value)); err != nil {
			return err
		}
		m.Headers.Set(forms()[Kafka].prefix+name, value)
		return nil
	}
}

// WithSubject sets what the event is about, in its source.
func WithSubject(subject string) async.PublishOption { return WithAttribute(nameSubject, subject) }

// Wrap returns a producer that makes each message an event from source, a URI-reference, and sends it with p. ID, time and content type of the message
// become those of the event; its type is async.TypeOf, or [WithDefaultType]; attributes that are there stay, in the form of the binding ([WithBinding]),
// so an event that was received goes on as it came. The extensions traceparent and tracestate say in which trace the event came into being. Events in
// structured mode pass as they are.
//
// If one message cannot be made an event, nothing of that Send is sent, and the error is permanent. Close closes p. It returns everything that is wrong
// with its arguments, joined.
func Wrap(p async.Producer, source string, oo ...OptionFunc) (async.Producer, error) {
	w := &producer{next: p, source: source}
	var errs []error
	if p == nil {
		errs = append(errs, errors.New("producer is nil"))
	}
	if _, err := url.Parse(source); err != nil || source == "" {
		errs = append(errs, fmt.Errorf("source %q: want a URI-reference", source))
	}
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&w.config))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("cloudevents: %w", err)
	}
	return w, nil
}

// producer makes events of messages.
type producer struct {
	next   async.Producer
	source string
	config config
}

var (
	_ async.Producer  = (*producer)(nil)
	_ async.Scheduler = (*producer)(nil)
)

// Send implements async.Producer.
func (p *producer) Send(ctx context.Context, mm ...*async.Message) error {
	var errs []error
	for i, m := range mm {
		if err := p.become(ctx, m); err != nil {
			errs = append(errs, fmt.Errorf("message %d: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return reliability.Permanent(fmt.Errorf("cloudevents: send: %w", err))
	}
	return p.next.Send(ctx, mm...)
}

// become makes m an event.
func (p *producer) become(ctx context.Context, m *async.Message) error {
	if m == nil {
		return errors.New("it is nil")
	}
	if isStructured(m.Headers.Get(async.HeaderContentType)) {
		_, err := Read(m)
		return err
	}
	e, err := p.known(m)
	if err != nil {
		return err
	}
	if e.Type == "" {
		e.Type = p.config.typeName
	}
	if e.Source == "" {
		e.Source = p.source
	}
	if e.ID == "" {
		if m.ID == "" {
			m.ID = correlation.New()
		}
		e.ID = m.ID
	}
	if m.ID == "" {
		m.ID = e.ID
	}
	if e.Time.IsZero() {
		if m.Time.IsZero() {
			m.Time = time.Now()
		}
		e.Time = m.Time
	}
	e.bornIn(ctx)
	return e.write(&m.Headers, p.config.binding)
}

// known returns what the message says of the event: the attributes that are there, those of one form only if there is a specversion, and its own fields.
func (p *producer) known(m *async.Message) (Event, error) {
	f, ok := formOf(m.Headers)
	if !ok {
		f = forms()[Kafka] // that of WithAttribute
	}
	e, err := readForm(f, m.Headers)
	if err != nil {
		return e, err
	}
	if t := m.Headers.Get(async.HeaderType); t != "" {
		e.Type = t
	}
	if t := m.Headers.Get(async.HeaderContentType); t != "" {
		e.DataContentType = t
	}
	return e, nil
}

// bornIn notes the trace of ctx, if the event has none.
func (e *Event) bornIn(ctx context.Context) {
	sc := oteltrace.SpanContextFromContext(ctx)
	if async.Forwarding(ctx) {
		return // it came into being in another one, which the header of the delivery still says
	}
	if !sc.IsValid() || e.Extensions[nameTraceParent] != "" {
		return
	}
	if e.Extensions == nil {
		e.Extensions = make(map[string]string)
	}
	e.Extensions[nameTraceParent] = fmt.Sprintf("00-%s-%s-%s", sc.TraceID(), sc.SpanID(), sc.TraceFlags())
	if state := sc.TraceState().String(); state != "" {
		e.Extensions[nameTraceState] = state
	}
}

// MaxPublishDelay implements async.Scheduler: it is that of the producer within.
func (p *producer) MaxPublishDelay() time.Duration {
	if s, ok := p.next.(async.Scheduler); ok {
		return s.MaxPublishDelay()
	}
	return 0
}

// Close implements async.Producer.
func (p *producer) Close(ctx context.Context) error { return p.next.Close(ctx) }
