package async

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// session is the life of one consumer, from the connection to its end. It is where messages are held, put into lanes, given to workers, and settled.
//
// A worker is whoever holds one of the slots: a goroutine that lives while there is work, the timer that ends a pause, or, with one slot, the receiver
// itself, so that a message on the fast path changes no goroutine. Lanes are made when a message of them is started, so waiting costs no map operation.
type session struct {
	c         *Component
	consumer  Consumer
	pauser    Pauser // the consumer, if it is one
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

	seeking chan struct{} // holds a token while a seek goes on, and for good at the end
}

// settleEvery bounds how long a verdict waits for others while more work is ready, however long the handlers of that take.
const settleEvery = time.Millisecond

func newSession(c *Component, consumer Consumer, take, work, settle context.Context, exit context.CancelCauseFunc) *session {
	s := &session{
		c: c, consumer: consumer, traits: c.traits, lanesOff: c.config.lanesOff(c.traits), slots: c.config.concurrency,
		settle: settle, exit: exit, lanes: make(map[Lane]*lane), unknown: &Source{Name: "unknown", Partition: -1},
		flow: flow{limiter: c.config.limiter}, seeking: make(chan struct{}, 1),
	}
	s.pauser, _ = consumer.(Pauser)
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

// receiveAll receives until the intake is over.
func (s *session) receiveAll() {
	for {
		limit, ok := s.room()
		if !ok {
			return
		}
		mm, err := s.receiveSome(limit)
		s.admit(mm)
		switch over := s.receive.Err(); {
		case err == nil:
		case over != nil && (!s.traits.Volatile || errors.Is(err, io.EOF)):
			return
		case over == nil, !errors.Is(err, over): // also while a Volatile source is drained: the connection is lost, and made again
			s.fail(fmt.Errorf("receive: %w", err))
			return
		}
	}
}

// receiveSome calls the driver; a panic of it is an error of the connection.
func (s *session) receiveSome(limit int) (mm []*Message, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = reliability.Recovered(r)
		}
	}()
	return s.consumer.Receive(s.receive, limit)
}

// room waits until more may be held, and says how much. It reports false when the intake is over.
func (s *session) room() (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for (s.held.count >= s.c.config.maxHeld || s.flow.halted) && !s.overLocked() {
		s.changed.Wait()
	}
	if s.overLocked() {
		return 0, false
	}
	limit := s.c.config.maxHeld - s.held.count
	if s.traits.MaxBatch > 0 {
		limit = min(limit, s.traits.MaxBatch)
	}
	return limit, true
}

// overLocked reports whether nothing more is to be received. A Volatile source is received from until it is empty or the grace period is over.
func (s *session) overLocked() bool {
	return s.failed != nil || s.fatal != nil || s.work.Err() != nil || s.receive.Err() != nil && !s.traits.Volatile
}

// admit takes over what was received.
func (s *session) admit(mm []*Message) {
	if len(mm) == 0 {
		return
	}
	now := time.Now()
	s.mu.Lock()
	if s.receive.Err() != nil && !s.traits.Volatile {
		s.closing = true // the goroutine that calls intakeOver may come later than these messages
	}
	var claim *Claim // the last one that is ours; it cannot end before the mutex is free
	var run tally
	for _, m := range mm {
		m.task = task{received: now}
		if m.Source == nil {
			m.Source = s.unknown
		}
		s.tallyLocked(&run, m.Source)
		run.received++
		if m.Claim != nil && m.Claim != claim {
			if !m.Claim.attach(s) {
				run.lost++ // it ended while the message was on its way
				continue
			}
			claim = m.Claim
		}
		s.held.add(m)
		run.held++
		if s.flow.parking {
			s.meetLocked(m.Source)
		}
		s.ready.pushBack(m)
	}
	s.tallyLocked(&run, nil)
	if s.inline && s.running == 0 && s.startableLocked() {
		s.running++
		s.mu.Unlock()
		s.worker()
		return
	}
	s.startWorkersLocked()
	s.mu.Unlock()
}

// countSourceLocked keeps the number of held messages of a source, and pauses a source that holds half of what may be held, so that its stuck lanes
// leave room for others. It resumes at a quarter.
func (s *session) countSourceLocked(source *Source, n int) {
	pauser := s.pauser
	if pauser == nil {
		return
	}
	source.held += n
	half := max(1, s.c.config.maxHeld/2)
	switch {
	case !source.paused && source.held >= half:
		source.paused = true
		if !source.stopped {
			pauser.Pause(source)
		}
	case source.paused && source.held <= half/2:
		source.paused = false
		if !source.stopped {
			pauser.Resume(source)
		}
	}
}

// startWorkersLocked starts workers as long as there are slots and messages for them.
func (s *session) startWorkersLocked() {
	for started := 0; s.running < s.slots && started < s.ready.size && s.startableLocked(); started++ {
		s.running++
		go s.worker() // awaitWorkers waits for it
		if s.c.batch != nil {
			started += s.c.config.batchSize - 1
		}
	}
}

// worker holds a slot and works until nothing is ready. Every worker settles what is pending before it goes, unless another one is at it: that one goes
// on until nothing is pending.
func (s *session) worker() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch worked := s.workLocked(); {
		case worked && s.ready.size > 0:
			s.settleSoonLocked()
		case worked, len(s.pending) > 0 && !s.sending:
			s.settleLocked()
		default:
			s.running--
			s.changed.Broadcast()
			return
		}
	}
}

// workLocked works on one message or batch, without the mutex, and reports false if there is none.
func (s *session) workLocked() bool {
	if s.c.batch != nil {
		return s.runBatchLocked()
	}
	m := s.nextLocked()
	if m == nil {
		return false
	}
	s.mu.Unlock()
	r := s.process(m)
	s.mu.Lock()
	s.concludeLocked(m, r)
	return true
}

// startableLocked reports whether a worker would find something to do.
func (s *session) startableLocked() bool {
	if s.closing || s.ready.size == 0 || s.barredLocked() {
		return false
	}
	if s.c.batch == nil || s.c.config.batchWait == 0 || s.gathered || s.draining || s.ready.size >= s.c.config.batchSize {
		return true
	}
	if s.gather == nil {
		s.gather = time.AfterFunc(s.c.config.batchWait, s.gatherOver)
	}
	return false
}

// nextLocked takes the first message that may be started, or nil. Messages of a busy lane get into its line.
func (s *session) nextLocked() *Message {
	for !s.closing && s.ready.size > 0 && !s.barredLocked() {
		if m := s.ready.pop(); s.startLocked(m, 0) {
			s.startedLocked()
			return m
		}
	}
	return nil
}

// startLocked makes m running and its lane busy, and reports whether that could be done.
func (s *session) startLocked(m *Message, batch uint64) bool {
	t := &m.task
	if t.state != waiting {
		return false
	}
	if s.flow.parking && m.Source.stopped {
		s.flow.parked.pushBack(m)
		return false
	}
	if t.lane != nil {
		t.lane.batch = batch
	} else if !s.lanesOff && m.Lane != (Lane{}) && !s.joinLaneLocked(m, batch) {
		return false
	}
	t.state = running
	return true
}

// joinLaneLocked makes m an active message of its lane, or puts it into the line and reports false. With one slot a lane is made only when a message
// must hold it, since whoever has the slot is alone.
func (s *session) joinLaneLocked(m *Message, batch uint64) bool {
	var l *lane
	if len(s.lanes) > 0 {
		l = s.lanes[m.Lane]
	}
	switch {
	case l == nil && s.slots == 1:
		return true
	case l == nil:
		l = s.newLaneLocked(m.Lane)
		l.batch = batch
	case batch == 0 || l.batch != batch || l.line.size > 0:
		l.line.pushBack(m)
		return false
	}
	l.active++
	m.task.lane = l
	return true
}

// holdLaneLocked makes sure that m is an active message of its lane, so that its followers wait.
func (s *session) holdLaneLocked(m *Message) {
	if s.lanesOff || m.task.lane != nil || m.Lane == (Lane{}) {
		return
	}
	l := s.lanes[m.Lane]
	if l == nil {
		l = s.newLaneLocked(m.Lane)
	}
	l.active++
	m.task.lane = l
}

// newLaneLocked makes the lane of key.
func (s *session) newLaneLocked(key Lane) *lane {
	var l *lane
	if n := len(s.unused); n > 0 {
		l, s.unused = s.unused[n-1], s.unused[:n-1]
	} else {
		l = &lane{}
	}
	s.lanes[key] = l
	return l
}

// endLaneLocked forgets a lane without messages. As many as there are slots are kept for others, with the memory of their lines.
func (s *session) endLaneLocked(key Lane, l *lane) {
	delete(s.lanes, key)
	if len(s.unused) < s.slots {
		*l = lane{line: l.line}
		s.unused = append(s.unused, l)
	}
}

// leaveLaneLocked ends m's hold on its lane. The next in line becomes ready before everything else; a lane without a line vanishes.
func (s *session) leaveLaneLocked(m *Message) {
	l := m.task.lane
	if l == nil {
		return
	}
	m.task.lane = nil
	l.active--
	s.advanceLocked(m.Lane, l)
}

func (s *session) advanceLocked(key Lane, l *lane) {
	for l.active == 0 && !l.closed {
		next := l.line.pop()
		if next == nil {
			s.endLaneLocked(key, l)
			return
		}
		if next.task.state != waiting {
			continue
		}
		l.active++
		next.task.lane = l
		s.ready.pushFront(next)
	}
}

// intakeOver is called when the receive context ends. The pauses of a Volatile source are cut short; of any other source nothing is started any more.
func (s *session) intakeOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.traits.Volatile && s.failed == nil && s.fatal == nil {
		s.draining = true
		s.liftLocked()
		for m := s.held.first; m != nil; m = m.task.next {
			if m.task.state == paused && m.task.timer.Stop() {
				s.dueLocked(m)
			}
		}
		s.startWorkersLocked()
	} else {
		s.closing = true
	}
	s.changed.Broadcast()
}

// due is called when the pause of m is over. It works with the slot it may find free.
func (s *session) due(m *Message) {
	s.mu.Lock()
	if m.task.state != paused {
		s.mu.Unlock()
		return
	}
	s.dueLocked(m)
	if s.running >= s.slots || s.closing {
		s.mu.Unlock()
		return
	}
	s.running++
	s.mu.Unlock()
	s.worker()
}

func (s *session) dueLocked(m *Message) {
	m.task.state, m.task.timer = waiting, nil
	s.ready.pushFront(m)
	s.gathered = true
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

func (s *session) counts() (held, running int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held.count, s.running
}
