package async

import (
	"context"
	"time"
)

// This file is the contract between the engine and a broker. Whoever writes a driver implements ConsumerFactory, Consumer and Producer, says in Traits
// what the broker can do, and calls the suites of the package asynctest; concurrency, order, retries, failure policy, drain and observation are the
// engine's.

// ConsumerFactory makes consumers of one source, or of several that are consumed together. If its dead letters can be read it is a [DeadLetterKeeper];
// if it has to know beforehand how its consumers will be used, a [Planner].
//
// The consumers of a source share its messages. A driver whose broker can give every consumer all of them (Traits.Broadcasts) has a second constructor for
// that: a queue of its own for each consumer, exclusive and deleted with it, or a reader without a group. Such a consumer gets what is sent from the
// return of its Create to the end of its take context, in order. Its messages die with it, so it is Volatile; what it releases or retries comes back to it
// alone, and what it rejects is a dead letter that outlives it. A factory whose consumer lost the connection lets the next one go on where that was, as
// far as the broker knows.
type ConsumerFactory interface {
	// Create connects and returns a consumer. It may block until ctx ends. The engine calls it again, with growing pauses, after an error and after a
	// consumer failed; there is never more than one living consumer of a component. Marks of the package reliability tell it which errors are
	// permanent.
	Create(ctx context.Context) (Consumer, error)
	// Traits says what the broker can do. It must not block and always gives the same answer.
	Traits() Traits
}

// Consumer receives messages and settles them. Optional abilities are found by assertion: [Extender], [Lagger], [Pauser], [Seeker],
// component.Checker.
type Consumer interface {
	// Receive returns 1 to limit messages, or an error: the engine then closes the consumer, waits and creates another. It blocks until there is something.
	// One goroutine calls it, or as many as Traits.Receivers says; Settle, Extend and Pause may run meanwhile. The slice stays the driver's: with one receiver it
	// may be used again by the next call, before which the engine has taken the messages out of it. A message never is: contexts that handlers keep lead into it.
	//
	// Where messages go back (Traits.Redelivers) and are ordered among consumers, no more of a lane is given while some of it is out: what goes back would be
	// overtaken by what was given meanwhile. So a lane comes in runs, the whole of a run in one call.
	//
	// When ctx ends, Receive returns within Traits.StopWait, and may still return messages: the engine releases them. A Volatile consumer is called again
	// with the ended context until it returns io.EOF, which says that nothing is queued or in flight, and that nothing will be: "found empty" and "closed"
	// are one step. What is not yet due (Message.Due) is left: it is not given before its time, and Lag.NotDue makes the engine report it. A client that
	// reconnects by itself does so silently, shows it through component.Checker, and returns an error only when it is dead.
	Receive(ctx context.Context, limit int) ([]*Message, error)

	// Settle carries out ss and sets the Err of each that failed: [ErrLost] for a message that is no longer ours, which is counted and never tried
	// again; any other error makes the engine try again. The returned error says that the connection is gone. A settlement is final for the broker once
	// its Err is nil; a second one for the same delivery gets ErrLost. One goroutine at a time calls it, concurrently with Receive.
	//
	// A message that goes back (Retry, Release) keeps its Attempt and the order of its lane, unless Traits.DelaysOffLane. Where messages do not come back to a
	// consumer that lives (Traits.Redelivers is false), Release leaves the message to whoever comes after this consumer.
	Settle(ctx context.Context, ss []Settlement) error

	// Close is called last, once: it flushes settlements and leaves the group. What is unsettled goes back to the broker, by Close or at the latest after
	// Traits.Visibility; the engine has released what it could.
	Close(ctx context.Context) error
}

// Verdict is what becomes of a message.
type Verdict uint8

// The verdicts.
const (
	Ack     Verdict = iota // done, take it off
	Retry                  // give it again after Settlement.Delay
	Reject                 // write it to the dead letter, then take it off
	Release                // abandoned or never started: give it again at once, its attempt is not spent
)

// String returns the name in lower case.
func (v Verdict) String() string {
	switch v {
	case Ack:
		return "ack"
	case Retry:
		return "retry"
	case Reject:
		return "reject"
	case Release:
		return "release"
	default:
		return "unknown verdict"
	}
}

// Settlement is a verdict on one message.
type Settlement struct {
	Message *Message      // as Receive returned it
	Verdict Verdict       // what becomes of it
	Delay   time.Duration // of Retry; not above Traits.MaxDelay
	Cause   error         // of Reject: why it is dead
	// Written is set with Reject when the user wants to know of dead letters: the driver calls it after the dead letter is confirmed and before the
	// message is taken off its source (within the transaction, if there is one). An error of it becomes Err, and the message stays. It may block, so it
	// is never called under a lock.
	Written func(ctx context.Context) error
	Err     error // set by Settle
}

// Extender is implemented by a consumer whose messages come back unless they are extended.
type Extender interface {
	// Extend gives each message its visibility time anew, counted from now. A [*BatchError] names the messages that failed: ErrLost for those that are
	// no longer ours; any other error is tried again. It may run concurrently with Receive and Settle.
	Extend(ctx context.Context, mm []*Message) error
}

// Lag is what waits in one source.
type Lag struct {
	Source   *Source       // as in its messages
	Messages int64         // not yet settled, those held by consumers included, those not yet due excluded
	Ready    int64         // of these at least so many would be received now: held by nobody, not behind what is held; 0: none, or not known
	NotDue   int64         // beside them: sent to be given later, see Message.Due
	Oldest   time.Duration // age of the oldest; 0: not known
}

// Lagger is implemented by a consumer that can say how much waits.
type Lagger interface {
	// Lag returns one value for each source. It may block until ctx ends and run concurrently with everything else.
	Lag(ctx context.Context) ([]Lag, error)
}

// Pauser is implemented by a consumer that can stop receiving from one source while it receives from the others.
type Pauser interface {
	// Sources returns those that the consumer has now, the very ones that are in its messages. It does not block and may run concurrently with everything else.
	Sources() []*Source
	// Pause and Resume take effect with the next Receive; one that is under way may still return messages of a paused source, and must wake up for a resumed
	// one. They do not block and may run concurrently with everything else.
	Pause(source *Source)
	Resume(source *Source)
}

// Seeker is implemented by a consumer of a log, where messages stay after they were settled and can be received again.
type Seeker interface {
	// Seek makes the sources that p selects (Position.Selects), among those that this consumer owns, go on at p. It may block until ctx ends and a little
	// longer; it runs concurrently with Receive, Settle and Extend, one call at a time.
	//
	// It begins by [Claim.Revoke] with ctx for every claim of these sources, so each message of them must have one: what waits is dropped, what runs may
	// finish until ctx ends and is settled. What is received afterwards has new claims. By them the engine tells old from new: what a Receive that was under
	// way returns late, or what lies fetched in the client, has an ended claim and is dropped. A Receive that blocks goes on from p without being called anew.
	//
	// Then the position of the group is moved, not only the client's: nil means that it is where a later consumer begins, if this one settles nothing more. What
	// a ledger knows of the old position (finished offsets, the attempts of its head) is forgotten.
	//
	// Before a claim is ended, what cannot be is refused: a source that is not owned, an offset that is out of range or is meant for more than one source, a kind
	// of position that the broker does not know (errors.ErrUnsupported). After such an error everything is as before. Once a claim has ended, an error must
	// wrap [ErrLost]: the engine then makes the connection anew, so what was dropped comes again.
	Seek(ctx context.Context, p Position) error
}

// Order says for which consumers the messages of one key come in order.
type Order uint8

// The orders.
const (
	OrderedNone    Order = iota // not at all; Message.Lane is not looked at
	OrderedProcess              // among the messages that one consumer receives
	OrderedGroup                // among all consumers: while one holds a key, no other gets it
)

// String returns the name in lower case.
func (o Order) String() string {
	switch o {
	case OrderedNone:
		return "none"
	case OrderedProcess:
		return "process"
	case OrderedGroup:
		return "group"
	default:
		return "unknown order"
	}
}

// Traits says what a broker can do. Each trait switches cases of the conformance suite on, so a driver cannot claim less in silence.
type Traits struct {
	Ordered          Order         // how far the order of a key reaches
	Volatile         bool          // what is unsettled dies with the process: a stop drains it to empty
	DeadLetters      bool          // Reject is carried out: there is a dead letter
	Receivers        int           // goroutines that may call Receive at the same time; 0 means 1
	MaxBatch         int           // most messages of one Receive; 0 means no bound
	MaxDelay         time.Duration // longest Delay of Retry; 0: Retry takes no delay
	StopWait         time.Duration // Receive returns within this time after its context ended
	Visibility       time.Duration // a message comes back unless settled or extended within this time; 0: never
	Redelivers       bool          // Retry and Release bring the message back while the consumer lives; with DelaysOffLane, Retry always does
	CountsDeliveries bool          // Message.Deliveries is set
	ExactAttempts    bool          // Message.Attempt counts starts and nothing else; without it a delivery that was given back may count as one
	MaxPublishDelay  time.Duration // longest time from a Send to Message.Due, see [Scheduler]; 0: the broker cannot hold messages back
	SourceLanes      bool          // a lane is a whole source, such as a partition: its messages share one whatever their key is, also without a key
	DelaysOffLane    bool          // a Retry with a delay takes the message out of the order of its lane: what is behind it comes first. Release does not
	Broadcasts       bool          // the driver has factories each of whose consumers gets every message, see [ConsumerFactory]
}

// Producer sends messages. It may be used concurrently.
type Producer interface {
	// Send returns nil when every message is confirmed by the broker. A [*BatchError] names those that are not; any other error says that none is.
	// [ErrUnknown] in an error says that the message may have arrived; [ErrClosed] that it has not and will not. Send may block until ctx ends. It sets
	// ID, Time and headers of messages that lack them, and does not keep them. Due and Expires travel with the message, Attempt and Deliveries do not. What it
	// cannot hold back until it is due it refuses, see [Scheduler].
	Send(ctx context.Context, mm ...*Message) error
	// Close flushes within ctx. A Send afterwards gives ErrClosed. A second Close does nothing.
	Close(ctx context.Context) error
}
