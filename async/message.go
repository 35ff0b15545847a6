package async

import (
	"hash/maphash"
	"slices"
	"sync/atomic"
	"time"
)

// Message is what an asynchronous component processes. While a handler has it, its fields are the handler's to read; who keeps or sends on a message takes a
// [Message.Clone].
type Message struct {
	ID         string    // given once by the publisher, unchanged by forward, retry, dead letter and replay; else the broker's own; else ""
	Key        []byte    // messages of one key are processed in order, where the source is ordered
	Source     *Source   // where it came from; shared by its messages
	Lane       Lane      // what it must stay in order with
	Claim      *Claim    // why it is ours; set by the driver, nil: it can only be lost by itself, which Extend or Settle says
	Data       []byte    // the body
	Headers    Headers   // what travels with it
	Time       time.Time // when it was published; zero: not known
	Due        time.Time // not given to a consumer before; zero: at once. See [Scheduler] for who can, and for its place among others
	Expires    time.Time // a handler that was not started by then is not started any more, see [ErrExpired]; zero: never
	Attempt    int       // starts of the handler, 1 is the first; a driver sets the starts that were before this delivery
	Deliveries int       // how often the broker has delivered it, 1 is the first; 0: the broker does not count
	Raw        any       // the message of the client library

	task task // the engine's
}

// Clone returns a copy that shares nothing with m but Source and Raw, and belongs to no consumer.
func (m *Message) Clone() *Message {
	return &Message{
		ID: m.ID, Key: slices.Clone(m.Key), Source: m.Source, Data: slices.Clone(m.Data), Headers: slices.Clone(m.Headers),
		Time: m.Time, Due: m.Due, Expires: m.Expires, Attempt: m.Attempt, Deliveries: m.Deliveries, Raw: m.Raw,
	}
}

// Source is a topic and partition, or a queue. A driver makes one for each and shares it between its messages.
type Source struct {
	System    string // messaging.system: kafka, rabbitmq, aws_sqs, memory, …
	Name      string // of the topic or queue
	Partition int32  // -1: the system has none
	Group     string // of the consumers that share the source; "": the system has none

	observed atomic.Pointer[observation] // metrics and span name, bound when the first message comes
	held     int                         // messages that the session holds; guarded by its mutex
	full     bool                        // half of what may be held is of it; guarded by the session's mutex
	stopped  bool                        // by Component.PauseSource; guarded by the session's mutex
}

// String returns the name, and the partition if there is one, as in "orders/3".
func (s *Source) String() string {
	if s == nil {
		return "unknown source"
	}
	if s.Partition < 0 {
		return s.Name
	}
	return s.Name + "/" + itoa(int64(s.Partition))
}

// Lane is what messages must stay in order with: those of one lane are processed one after another, those of different lanes concurrently. It is
// comparable and costs nothing; two keys that collide only share a lane. The zero Lane is no lane: such a message waits for none and holds up none.
type Lane struct {
	Source *Source // where the messages come from
	Hash   uint64  // of their key; see [LaneOf]
}

// laneSeed is drawn once for a process: lanes never leave it, and no publisher can choose keys that collide.
var laneSeed = maphash.MakeSeed() //nolint:gochecknoglobals // immutable

// LaneOf returns the lane of key in source; a driver calls it. An empty key has a lane as well: pass the zero Lane for messages without order.
func LaneOf(source *Source, key []byte) Lane {
	return Lane{Source: source, Hash: maphash.Bytes(laneSeed, key)}
}
