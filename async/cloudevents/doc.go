// Package cloudevents reads and writes messages as CloudEvents 1.0 (https://github.com/cloudevents/spec, version 1.0.2) in binary mode: the data of the
// event is the body of the message, and its attributes are headers. So services that were not written with this framework, or speak to a broker of another
// kind, understand what was published, and the other way round.
//
// # Reading
//
// [Handle] makes a processor of a function that takes the event and its decoded data:
//
//	async.OnType("com.example.order.placed", cloudevents.Handle(func(ctx context.Context, e cloudevents.Event, o Order) error { … }))
//
// [Read] does it by hand. The attributes may come in the form of any binding, whatever the broker is, since gateways carry them on: "ce_" of Kafka,
// "cloudEvents_" and "cloudEvents:" of AMQP, "ce-" of HTTP with its percent-encoding. The required attributes are there and every attribute obeys its
// rules, or the error is an async.DecodeError, which is permanent and names all that is wrong. Events in structured mode (application/cloudevents+json)
// are read as well; batches and other formats are refused by name.
//
// # Writing
//
// [Wrap] makes every message of a producer an event: its ID, time and content type become those of the event, async.WithType gives the type, [WithSubject] and
// [WithAttribute] the rest.
//
//	producer, err := cloudevents.Wrap(producer, "/orders")
//	err = async.Publish(ctx, producer, "17850", order, async.WithType("com.example.order.placed"), cloudevents.WithSubject("536365"))
//
// [Event.Message] does it by hand.
//
// # Names of extensions
//
// An extension is a lower-case letter or digit, one to twenty of them, both ways. What breaks the rule is refused, not dropped.
//
// # Traces
//
// The header traceparent is the trace of the delivery: the producer sets it, each hop changes it, and the engine joins it. The extension traceparent is
// the trace in which the event came into being: Wrap sets it once, nothing changes it, and a handler finds it in Event.Extensions. One is never taken for
// the other.
package cloudevents
