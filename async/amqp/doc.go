// Package amqp consumes and publishes messages at RabbitMQ (AMQP 0.9.1), as a driver of the async engine on the client library
// github.com/rabbitmq/amqp091-go: [New] makes consumers of a queue, [NewBroadcast] consumers that each get everything, [NewPublisher] producers.
//
//	cf, err := amqp.New("amqp://user:password@broker/vhost", "orders", amqp.WithQuorum(), amqp.WithBinding("shop", "order.*", nil))
//	c, err := async.New("orders", cf, async.Handle(place), async.WithConcurrency(8))
//	p, err := amqp.NewPublisher(url, "shop", "order.placed")
//
// # Connections
//
// A consumer has one connection. If it is lost the engine makes it anew, for ever; a channel alone that is closed, or a consumer that the broker cancels
// (its queue was deleted, or is led by another node), is followed by another on the same connection, and what was held is lost (async.ErrLost) and comes
// again. A socket that is half open is found after one and a half heartbeats ([WithHeartbeat]). What publishes has a connection of its own, also what a
// consumer publishes (dead letters, retries): a broker that is low on memory or disk reads nothing from connections that publish, and acknowledgements
// must not wait behind that. Such a block is shown by the component's Check and in the errors of what waits ([ErrBlocked]). No error and no log shows a
// password.
//
// # Topology
//
// Each time a connection is made, everything is declared: exchanges ([WithExchange]), the queue, its bindings, the dead-letter queue and one queue for
// each delay of the policy. So a broker that was restored from nothing works. What exists stays as it is; if it was declared otherwise the error names
// the queue, the argument, what is wanted and what is there. [WithoutDeclare] declares nothing and looks whether all is there.
//
//	orders             the queue
//	orders.dead        dead letters; the broker, too, sends here what a quorum queue gives up
//	orders.retry.30s   messages that wait 30 s, and then go back to orders by themselves
//	orders.dead.reader held while somebody reads the dead letters
//
// # Order and prefetch
//
// Messages of a key are processed in order within one consumer, and among all of them with [WithSingleActiveConsumer], which gives one consumer
// everything. The key travels in a header; messages of foreign publishers have none, unless [WithKey] finds one. What fails is tried in place while its
// key waits, and never goes back to the queue meanwhile, because what is behind it would overtake it: what a stop abandons stays with the consumer until
// its channel closes, which puts all of it back where it was. [WithoutOrder] gives that up.
//
// The prefetch is what the component may hold (async.WithMaxHeld, at most 65535). AMQP cannot pause a key: the followers of a message that is stuck are
// delivered and held until the prefetch is full, and then nothing moves but that key. Tries in place should be few, and long waits be delays off the
// lane.
//
// The broker closes the channel of a consumer that holds a message for longer than its consumer_timeout, 30 min by default: a component whose tries can
// take longer is refused by async.New (see [WithConsumerTimeout]).
//
// # Delays, dead letters, attempts
//
// A retry with a delay is published, confirmed, to the queue of that delay and then acknowledged: one queue for each, because messages expire only at
// the head. It leaves the order of its key, so async.WithDelays needs async.Unordered. Publishers cannot hold messages back until they are due.
//
// Dead letters are published, confirmed, and then acknowledged. To look at them AMQP must take them: List, Get and Count with a filter take all, give
// them back in their order, and then say what they saw, so they need the memory for all that is there; while one reads, others wait, in whichever
// process.
//
// A classic queue does not count deliveries: attempts are kept by what is sent again, and a message that takes its process down comes for ever. A quorum
// queue counts them, those included that were given back unstarted: only ten above the attempts of the policy such a message is a dead letter. For the
// same reason its delivery limit must be at least ten above the attempts; since RabbitMQ 4 it is 20 where none was declared.
//
// # What a crash repeats
//
// Acknowledgements are not confirmed by the broker, and wait up to a millisecond to be written together. A consumer that dies, or loses its connection,
// gets what it had not finished again, and what it finished in the last moment. Between the confirm of a dead letter or a retry and the acknowledgement
// of its origin a crash leaves both. A Send that fails with async.ErrUnknown may have arrived. So every message may come twice, and handlers bear it.
//
// A queue that gives a message on because it expired does so without a confirm if it is classic: when the broker dies in that moment the message can be
// lost. Quorum queues confirm it: so those of [WithQuorum] that give messages on are declared with x-dead-letter-strategy at-least-once, since a retry that
// waits would be lost otherwise. Such a queue should not be deleted within seconds of its declaration: all of them share one supervisor in the broker, which
// a few workers that fail at once take down, until the node is restarted and for all such queues (rabbitmq-server issue 16652; in RabbitMQ 3.10 two are
// enough). This package deletes none.
//
// # Fields
//
// ID, type, content type, content encoding and correlation ID of a message are properties, if they fit their 255 bytes; so is the time, in whole
// seconds, and in full in a header. Everything else is in headers, as text. Of foreign messages every type of header becomes text: numbers, times,
// bytes, and lists and tables as JSON. The delivery itself is at [Delivery].
package amqp
