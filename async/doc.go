// Package async consumes messages: one engine for every broker.
//
// A [Component] takes messages from a source, gives each to a [ProcessorFunc], and settles it when the handler returned. What a handler must do is
// little: have its effect, bear having it twice, return nil.
//
//	c, err := async.New("orders", broker.Consumer("orders"), async.Handle(place), async.WithConcurrency(8))
//
// # What the engine promises
//
// Nothing accepted is lost: a message is settled after its effect, a failed one is tried again, and one that fails for good goes to the dead letter, or
// the service ends with the message kept. So a message may come more than once, and the first time may have been cut short by a crash.
//
// Order: messages of one [Lane] (a key, or a partition) are processed one after another, different lanes concurrently. A failed message holds its lane,
// at the cost of a timer, until it is done or dead.
//
// Failure: the policy is the same on every broker. Tries in place ([WithTries], [WithBackoff]), then delays off the lane ([WithDelays], which give up
// order), then the dead letter with cause, attempts, origin and time in its headers; without a dead letter the [Strategy] decides. Permanent errors
// (reliability.Classify) skip the tries; a panic is a failure like any other.
//
// Forwarding: what is published to a queue in the transaction of what it tells goes on to a broker with [NewForward].
//
// Duplicates: [WithDeduplication] keeps the effect of a message that comes again from happening twice; the package async/inbox does it.
//
// Types: one component serves a source on which different messages travel with [Route], which chooses by what the message says of itself.
//
// Times: a message may be held back until it is due ([WithDueIn]), where the broker can, and expire ([WithExpiresIn]), on every broker: what was not
// started in time is a dead letter with the cause [ErrExpired]. Who is held back is not in the order of its key until it is due: then it stands behind
// what was sent before that moment. A producer whose broker cannot hold it back refuses it, see [Scheduler].
//
// Bounds: at most [WithMaxHeld] messages are held. A connection is made again for ever ([WithRetries], [WithFailFast]); /ready tells of it.
//
// Stopping: the intake ends first, then what was not started is given back, running handlers finish within the grace period, and what is left after it
// is given back without an attempt being spent. A source that dies with the process (Traits.Volatile) is drained to empty instead, but for what is not due:
// nothing is given before its time, so that is left, and Run's error counts it.
//
// # Dead letters
//
// What failed for good is looked into with [DeadLetters]: listed by a filter, counted, found by ID, removed. [Replay] sends it again, at a rate, when the
// cause is mended. A message keeps its ID and headers, so a replay that is interrupted and run again makes duplicates that can be known, and loses
// nothing. Where a dead letter closed its lane ([StopLaneOnDead]), the lane opens when the letter is gone, whoever took it off; what is replayed comes
// behind the followers that waited.
//
// # Control
//
// A component can be told what to do while it runs. [Component.Pause] and [Component.Resume] stop and start it as a whole, [Component.PauseSource] a topic or
// a partition; what is held stays held. [Component.Seek] makes it read a log again, or pass some of it over. [WithRateLimit] bounds how often the handler is
// started. All three outlive the connection, and a stop goes before a pause.
//
// A watchdog ([WithWatchdog]) looks whether things move: when messages wait, and for a minute none was started and none was settled, /ready says degraded and
// which message hangs, usually that of a handler which does not return. What waits on purpose is no fault.
//
// The chain around a handler is, from the outside: observation, policy, recovery, deduplication, the middlewares, the handler with its time-out.
//
// # Brokers
//
// A driver is small: a [ConsumerFactory], a [Consumer] and a [Producer]. The package memory is the reference driver, and the suites of the package
// asynctest prove a driver. The package cloudevents makes CloudEvents of messages and messages of CloudEvents, on every broker.
package async
