// Package memory is a message broker inside the process: the reference driver of the async engine, a test double for services that use other brokers, and the
// queue of services that need none.
//
// A [Broker] has queues by name, which exist once they are used. Messages with a key come in the order in which they were sent, one consumer at a time has
// a key, and a message that goes back comes before its followers. What is queued lives as long as the Broker, so by default its consumers are volatile:
// when their service stops they drain the queue to empty and close it, and a later Send is refused with async.ErrClosed, so that nothing is accepted that
// nobody will process. With [WithoutDrain] a stop leaves the rest where it is, as brokers do that outlive the service.
//
// A message may be held back until it is due (async.WithDueIn), for up to a year; it comes in then behind what was sent before that moment, and holds up
// nobody until it does. What is not due when a volatile queue is drained is not given early: it stays in the Broker, where [Broker.Messages] shows it and
// a consumer that comes later finds it, and the error of Run counts it, since it dies with the process.
//
// [Broker.Broadcast] gives consumers that each get every message; [Broker.Dead] the dead letters, to look into and to replay.
//
// # As a test double
//
// Time is taken from package time and no goroutine outlives a call, so a Broker works in a testing/synctest bubble: a delay of an hour takes no time. What
// is in a queue is read with [Broker.Messages], [Broker.DeadLetters], [Broker.Len] and [Broker.Held].
//
// Every way in which a broker fails can be played, in a fixed order: [Broker.Inject] makes calls fail, fail after they were carried out, fail one in ten or
// take long; [Broker.Down] and [Broker.Up] take the broker away and bring it back; [Broker.Lose] and [Broker.Revoke] end the claims of consumers.
//
// # As a model for a driver
//
// A new transport has the same files: factory.go (options in option.go), consumer.go, message.go and producer.go. What is in broker.go, queue.go, lane.go,
// lease.go, schedule.go, broadcast.go, dead.go and fault.go is the broker itself. Two sentences of its consumer are worth copying: it makes an
// async.Source for each consumer, since the engine keeps its count of held messages there, and it reuses the slice that Receive returns, since the engine
// takes the messages out of it before it calls Receive again.
package memory
