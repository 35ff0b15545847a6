package async

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/beatlabs/patron/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// session is the life of one consumer, from the connection to its end, which is its function run. It is where messages are held, put into lanes, given to
// workers, and settled. The life of a message, and where to read it:
//
//	admit (intake.go) ──> worker, startLocked (worker.go, lane.go) ──> process ──> concludeLocked (process.go) ──> settleLocked (settle.go) ──> gone
//	                         ^                                                          │
//	                         └───────────── due (worker.go) <── pauseLocked <───────────┘
//
// What ends it early: a stop (stop.go), the end of its claim (claim.go, revoke.go).
//
// A worker is whoever holds one of the slots: a goroutine that lives while there is work, the timer that ends a pause, or, with one slot, the receiver
// itself, so that a message on the fast path changes no goroutine. Lanes are made when a message of them is started, so waiting costs no map operation.
type session struct {
	c         *Component
	consumer  Consumer
	pauser    Pauser // the consumer, if it is one
	lagger    Lagger // the consumer, if it is one
	traits    Traits
	unknown   *Source // of messages without one
	telemetry *trace.Telemetry
	lanesOff  bool
	inline    bool // the receiver works off what it received
	slots     int

	receive context.Context         //nolint:containedctx // ends: nothing new is taken
	work    context.Context         //nolint:containedctx // ends: what runs is abandoned
	settle  context.Context         //nolint:containedctx // ends: nothing can be confirmed any more
	exit    context.CancelCauseFunc // ends the take context of the component
	leave   context.CancelFunc      // ends receive
	abandon context.CancelCauseFunc // ends work

	mu       sync.Mutex // guards everything below, and the tasks of the held messages
	changed  *sync.Cond // on mu: something that stop, room or a revocation waits for
	ready    queue      // messages that may be started, in order
	lanes    map[Lane]*lane
	unused   []*lane // for the next ones
	held     held
	running  int          // slots in use
	pending  []Settlement // verdicts that wait for the broker
	spare    []Settlement // the other buffer
	overdue  *time.Timer  // settles what has waited for settleEvery
	timed    bool         // overdue runs
	sending  bool         // a Settle is under way
	closing  bool         // nothing is started any more
	draining bool         // a Volatile source is emptied: pauses are cut short
	failed   error        // the connection
	fatal    error        // a message that ends the service
	batches  uint64
	idle     []*batch    // the memory of batches that are over
	gather   *time.Timer // ends the wait for a full batch
	gathered bool
	given    bool // what was not started went back
	revoking []revocation
	aged     map[*Source]bool // sources whose gauge of age is set
	flow     flow
	progress progress

	lagging map[lagSeries]*observation // sources whose gauge of lag is set; of watch alone

	seeking chan struct{} // holds a token while a seek goes on, and for good at the end
}

func newSession(c *Component, consumer Consumer, take, work, settle context.Context, exit context.CancelCauseFunc) *session {
	s := &session{
		c: c, consumer: consumer, traits: c.traits, lanesOff: c.config.lanesOff(c.traits), slots: c.config.concurrency,
		settle: settle, exit: exit, lanes: make(map[Lane]*lane), unknown: &Source{Name: "unknown", Partition: -1},
		flow: flow{limiter: c.config.limiter}, seeking: make(chan struct{}, 1),
	}
	s.pauser, _ = consumer.(Pauser)
	s.lagger, _ = consumer.(Lagger)
	s.inline = s.slots == 1 && max(1, s.traits.Receivers) == 1
	s.receive, s.leave = context.WithCancel(take)
	s.work, s.abandon = context.WithCancelCause(work)
	s.telemetry = trace.FromContext(work)
	// Every delivery looks for the telemetry and for the span around it: both again, and nearest.
	s.work = trace.WithTelemetry(oteltrace.ContextWithSpan(s.work, oteltrace.SpanFromContext(s.work)), s.telemetry)
	s.changed = sync.NewCond(&s.mu)
	return s
}

// run receives until the take context ends or the connection or a message fails, and then stops: what was not started goes back, what runs finishes, and the
// consumer is closed. It returns nil after a stop in good order, a fatalError that ends the component, or why the connection was lost.
func (s *session) run() error {
	defer s.abandon(context.Canceled)
	defer s.leave()
	defer context.AfterFunc(s.receive, s.intakeOver)()
	defer context.AfterFunc(s.work, s.workOver)()
	defer context.AfterFunc(s.settle, s.wake)()

	var aside sync.WaitGroup
	watching, stopWatching := context.WithCancel(s.settle)
	defer stopWatching()
	aside.Go(func() { s.watch(watching) })
	aside.Go(func() { s.guard(watching) })

	var receivers sync.WaitGroup
	for range max(1, s.traits.Receivers) - 1 {
		receivers.Go(s.receiveAll)
	}
	s.receiveAll()
	receivers.Wait()

	s.giveBack()
	s.awaitWorkers()
	s.endSeeks()
	stopWatching()
	aside.Wait()
	left := s.left()
	closing := s.consumer.Close(s.settle)
	return s.verdict(left, closing)
}

// fail ends the session because the connection is lost: what runs is cancelled, since its messages will come again.
func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(err)
}

func (s *session) failLocked(err error) {
	if s.failed == nil {
		s.failed = err
	}
	s.closing = true
	s.leave()
	s.abandon(fmt.Errorf("%w: %w", ErrLost, err))
	s.changed.Broadcast()
}

// workOver is called when the work context ends: what has not been started is not started any more.
func (s *session) workOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.changed.Broadcast()
}

// wake makes everybody who waits look again.
func (s *session) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

// counts says how many messages are held, and how many workers there are.
func (s *session) counts() (held, running int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held.count, s.running
}
