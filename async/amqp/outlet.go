package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/internal/jitter"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// mostInFlight bounds what is written and not confirmed.
const mostInFlight = 4096

// Pauses between attempts to connect.
const (
	minPause = 20 * time.Millisecond
	maxPause = 2 * time.Second
)

// outlet publishes on a connection of its own, which it makes when there is something to send and makes anew when it is lost: a broker that runs out of memory
// reads nothing more from connections that publish, so that acknowledgements must not be on one. One goroutine writes, so a channel never has two users, and
// one reads confirms; many may wait for them. A publish on its way:
//
//	send ──> waiting ──> written ──> concluded: confirmed, returned, refused or unknown
//	            └────────────────────> withdrawn: its context ended
type outlet struct {
	config *config

	mu      sync.Mutex // guards everything below
	changed *sync.Cond // on mu: something for the writer, or for who waits to close
	waiting []*flight
	sent    map[uint64]*flight // by the sequence number of the link
	link    *link              // nil: there is no connection
	cause   error              // why there is none, since the last attempt
	blocked string             // why the broker reads nothing of us; "": it does
	started bool
	closed  bool               // nothing more is taken
	stop    context.CancelFunc // ends run
	ended   chan struct{}
}

// flight is one publish.
type flight struct {
	exchange, key string
	optional      bool // it is no error that it reaches no queue
	publishing    amqp091.Publishing
	group         *group
	state         flightState
	returned      string // why the broker could not route it
	err           error
}

type flightState uint8

const (
	flightWaiting flightState = iota
	flightWritten
	flightConcluded
)

// group is what one send waits for.
type group struct {
	left int
	done chan struct{}
}

// link is one connection with one channel in confirm mode.
type link struct {
	conn connection
	ch   channel
	seq  uint64 // of the last publish
	err  error  // why it is of no more use; guarded by the outlet's mutex
	gone bool
}

func newOutlet(c *config) *outlet {
	o := &outlet{config: c, ended: make(chan struct{})}
	o.changed = sync.NewCond(&o.mu)
	return o
}

// send publishes ff in their order and waits until all are concluded or ctx ends. What became of each is in its err.
func (o *outlet) send(ctx context.Context, ff []*flight) error {
	if len(ff) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.config.sendTimeout, errNoConfirm)
	defer cancel()
	g := &group{left: len(ff), done: make(chan struct{})}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return async.ErrClosed
	}
	for _, f := range ff {
		f.group = g
	}
	o.waiting = append(o.waiting, ff...)
	if !o.started {
		o.started = true
		run, stop := context.WithCancel(context.WithoutCancel(ctx))
		o.stop = stop
		go o.run(run)
	}
	o.changed.Broadcast()
	o.mu.Unlock()

	select {
	case <-g.done:
	case <-ctx.Done():
		o.withdraw(ctx, ff)
	}
	return nil
}

// errNoConfirm is why a send gives up by itself.
var errNoConfirm = errors.New("send timeout is over")

// withdraw ends the waiting of a send. What was not written is not sent any more.
func (o *outlet) withdraw(ctx context.Context, ff []*flight) {
	o.mu.Lock()
	defer o.mu.Unlock()
	end := ctx.Err()
	if cause := context.Cause(ctx); !errors.Is(cause, end) {
		end = fmt.Errorf("%w: %w", cause, end)
	}
	late := false
	for _, f := range ff {
		switch f.state {
		case flightWaiting:
			o.concludeLocked(f, o.whyLocked(end))
		case flightWritten:
			late = true
			o.concludeLocked(f, fmt.Errorf("%w: not confirmed: %w", async.ErrUnknown, o.whyLocked(end)))
		case flightConcluded:
		}
	}
	if late && errors.Is(context.Cause(ctx), errNoConfirm) && o.blocked == "" && o.link != nil {
		o.loseLocked(o.link, errNoConfirm) // who does not confirm for so long will not
	}
}

// whyLocked adds to err what is known of the connection.
func (o *outlet) whyLocked(err error) error {
	switch {
	case o.blocked != "":
		return fmt.Errorf("%w: %w: %s", err, ErrBlocked, o.blocked)
	case o.link == nil && o.cause != nil:
		return fmt.Errorf("%w: not connected: %w", err, o.cause)
	default:
		return err
	}
}

// concludeLocked ends a flight.
func (o *outlet) concludeLocked(f *flight, err error) {
	if f.state == flightConcluded {
		return
	}
	f.state, f.err = flightConcluded, err
	if f.group.left--; f.group.left == 0 {
		close(f.group.done)
	}
	o.changed.Broadcast()
}

// run connects while there is something to send, and writes it.
func (o *outlet) run(ctx context.Context) {
	defer close(o.ended)
	defer context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.changed.Broadcast()
	})()
	for failures := 0; o.hasWork(ctx); {
		l, confirms, err := o.open(ctx)
		if err != nil {
			o.mu.Lock()
			o.cause = err
			o.mu.Unlock()
			limit := maxPause
			if failures < 10 {
				limit = min(limit, minPause<<failures)
			}
			failures++
			select {
			case <-ctx.Done():
			case <-time.After(limit/2 + jitter.Draw(ctx, "", limit/2)):
			}
			continue
		}
		failures = 0
		var reader sync.WaitGroup
		reader.Go(func() { o.read(l, confirms) })
		o.write(ctx, l)
		_ = l.ch.Close()
		_ = l.conn.CloseDeadline(time.Now().Add(closeTime))
		reader.Wait()
	}
}

// closeTime bounds how long the broker may take to say farewell.
const closeTime = 2 * time.Second

// hasWork blocks until something waits, and reports false when ctx ends.
func (o *outlet) hasWork(ctx context.Context) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for ctx.Err() == nil && !o.firstLocked() {
		o.changed.Wait()
	}
	return ctx.Err() == nil
}

// firstLocked drops what was withdrawn, and reports whether something is left to be written.
func (o *outlet) firstLocked() bool {
	for len(o.waiting) > 0 && o.waiting[0].state != flightWaiting {
		o.waiting[0] = nil
		o.waiting = o.waiting[1:]
	}
	return len(o.waiting) > 0
}

// listeners are what a broker says of publishes.
type listeners struct {
	confirmed <-chan amqp091.Confirmation
	returned  <-chan amqp091.Return
	closed    <-chan *amqp091.Error
	blocked   <-chan amqp091.Blocking
}

// open makes a connection and a channel with confirms.
func (o *outlet) open(ctx context.Context) (*link, listeners, error) {
	conn, err := o.config.connect(ctx)
	if err != nil {
		return nil, listeners{}, err
	}
	l, heard, err := o.prepare(conn)
	if err != nil {
		return nil, listeners{}, errors.Join(err, closing(conn.CloseDeadline(time.Now().Add(closeTime))))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.link, o.cause, o.blocked, o.sent = l, nil, "", make(map[uint64]*flight)
	return l, heard, nil
}

func (o *outlet) prepare(conn connection) (*link, listeners, error) {
	heard := listeners{blocked: conn.NotifyBlocked(make(chan amqp091.Blocking, 16))}
	ch, err := conn.Channel()
	if err != nil {
		return nil, heard, err
	}
	if o.config.role == publishes {
		if err := o.config.declareExchanges(ch); err != nil {
			return nil, heard, err
		}
	}
	if err := ch.Confirm(false); err != nil {
		return nil, heard, err
	}
	heard.confirmed = ch.NotifyPublish(make(chan amqp091.Confirmation, mostInFlight))
	heard.returned = ch.NotifyReturn(make(chan amqp091.Return, 64))
	heard.closed = ch.NotifyClose(make(chan *amqp091.Error, 1))
	return &link{conn: conn, ch: ch}, heard, nil
}

// write publishes what waits until the link is lost or ctx ends.
func (o *outlet) write(ctx context.Context, l *link) {
	frame := l.conn.frameSize()
	for {
		f := o.next(ctx, l)
		if f == nil {
			return
		}
		if err := fits(&f.publishing, frame); err != nil {
			o.mu.Lock()
			delete(o.sent, l.seq)
			l.seq-- // it was not used
			o.concludeLocked(f, permanent("%w", err))
			o.mu.Unlock()
			continue
		}
		err := l.ch.Publish(f.exchange, f.key, !f.optional, false, f.publishing)
		if err == nil {
			continue
		}
		o.mu.Lock()
		if errors.Is(err, amqp091.ErrClosed) && f.state == flightWritten {
			delete(o.sent, l.seq) // nothing of it was written
			f.state = flightWaiting
			o.waiting = append([]*flight{f}, o.waiting...)
		}
		o.loseLocked(l, err)
		o.mu.Unlock()
		return
	}
}

// next takes the next flight to be written, or nil if there is none any more.
func (o *outlet) next(ctx context.Context, l *link) *flight {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !l.gone && ctx.Err() == nil {
		if o.blocked == "" && len(o.sent) < mostInFlight && o.firstLocked() {
			f := o.waiting[0]
			o.waiting[0] = nil
			o.waiting = o.waiting[1:]
			l.seq++
			f.state = flightWritten
			o.sent[l.seq] = f
			return f
		}
		o.changed.Wait()
	}
	o.loseLocked(l, async.ErrClosed)
	return nil
}

// read takes note of what the broker says, until the channel is closed. A message that cannot be routed is returned before it is confirmed.
func (o *outlet) read(l *link, heard listeners) {
	for {
		select {
		case c, ok := <-heard.confirmed:
			if !ok {
				o.over(l, heard)
				return
			}
			o.noteReturns(heard)
			o.note(c)
		case r, ok := <-heard.returned:
			if !ok {
				heard.returned = nil
				continue
			}
			o.noteReturn(&r)
		case b, ok := <-heard.blocked:
			if !ok {
				heard.blocked = nil
				continue
			}
			o.noteBlocked(b)
		}
	}
}

// noteReturns takes note of the returns that came before a confirm.
func (o *outlet) noteReturns(heard listeners) {
	for heard.returned != nil {
		select {
		case r, ok := <-heard.returned:
			if !ok {
				return
			}
			o.noteReturn(&r)
		default:
			return
		}
	}
}

// noteReturn finds the flight of a return, which does not say which it is: the first that is not confirmed and looks like it.
func (o *outlet) noteReturn(r *amqp091.Return) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := uint64(0)
	for seq, f := range o.sent {
		if f.returned == "" && !f.optional && f.exchange == r.Exchange && f.key == r.RoutingKey && f.publishing.MessageId == r.MessageId &&
			len(f.publishing.Body) == len(r.Body) && (first == 0 || seq < first) {
			first = seq
		}
	}
	if first > 0 {
		o.sent[first].returned = r.ReplyText
	}
}

func (o *outlet) noteBlocked(b amqp091.Blocking) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blocked = ""
	if b.Active {
		if o.blocked = b.Reason; b.Reason == "" {
			o.blocked = "no reason given"
		}
	}
	o.changed.Broadcast()
}

// note concludes a flight that the broker has confirmed or refused.
func (o *outlet) note(c amqp091.Confirmation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.sent[c.DeliveryTag]
	if f == nil {
		return
	}
	delete(o.sent, c.DeliveryTag)
	switch {
	case f.returned != "":
		o.concludeLocked(f, &unroutableError{exchange: f.exchange, key: f.key, reason: f.returned})
	case !c.Ack:
		// Of several queues one may have it.
		o.concludeLocked(f, fmt.Errorf("%w: the broker refused it (basic.nack): a queue is full or not available", async.ErrUnknown))
	default:
		o.concludeLocked(f, nil)
	}
	o.changed.Broadcast()
}

// over takes note that the channel of a link is closed.
func (o *outlet) over(l *link, heard listeners) {
	o.noteReturns(heard)
	var err error = amqp091.ErrClosed
	select {
	case refusal := <-heard.closed:
		if refusal != nil {
			err = refusal
		}
	default:
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loseLocked(l, err)
	o.abandonLocked(l)
}

// loseLocked says that a link is of no more use. The writer closes it.
func (o *outlet) loseLocked(l *link, err error) {
	if l.gone {
		return
	}
	l.gone, l.err = true, err
	o.changed.Broadcast()
}

// abandonLocked concludes what was written on a link that is closed. If that was one message alone which the broker answered by closing the channel, it was
// refused; else nobody knows.
func (o *outlet) abandonLocked(l *link) {
	refusal, refused := errors.AsType[*amqp091.Error](l.err)
	refused = refused && refusal.Server && refusal.Recover && len(o.sent) == 1
	for _, f := range o.sent {
		switch {
		case f.returned != "":
			o.concludeLocked(f, &unroutableError{exchange: f.exchange, key: f.key, reason: f.returned})
		case refused:
			o.concludeLocked(f, o.config.explain(l.err, "exchange", f.exchange))
		default:
			o.concludeLocked(f, fmt.Errorf("%w: the connection was lost before the confirm: %w", async.ErrUnknown, l.err))
		}
	}
	o.sent, o.link, o.blocked = nil, nil, ""
	if l.err != nil {
		o.cause = l.err
	}
	o.changed.Broadcast() // also if all of them were withdrawn before
}

// check returns why nothing can be sent, if that is known, or nil.
func (o *outlet) check() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.blocked != "":
		return fmt.Errorf("%w: %s", ErrBlocked, o.blocked)
	case o.link == nil && o.cause != nil && o.firstLocked():
		return o.cause
	default:
		return nil
	}
}

// close takes nothing more and waits until ctx ends for what was taken. A second call does nothing.
func (o *outlet) close(ctx context.Context) error {
	o.mu.Lock()
	if o.closed || !o.started {
		o.closed = true
		o.mu.Unlock()
		return nil
	}
	o.closed = true
	release := context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.changed.Broadcast()
	})
	for ctx.Err() == nil && (o.firstLocked() || len(o.sent) > 0) {
		o.changed.Wait()
	}
	release()
	left := len(o.sent)
	for _, f := range o.waiting {
		if f.state == flightWaiting {
			left++
			o.concludeLocked(f, async.ErrClosed)
		}
	}
	for _, f := range o.sent {
		o.concludeLocked(f, fmt.Errorf("%w: closed before the confirm", async.ErrUnknown))
	}
	l := o.link
	o.mu.Unlock()
	if l != nil && left > 0 {
		_ = l.conn.CloseDeadline(time.Now()) // a writer may hang in a socket that nobody reads
	}
	o.stop()
	<-o.ended
	if left > 0 {
		return fmt.Errorf("%d messages not confirmed: %w", left, context.Cause(ctx))
	}
	return nil
}

// closing returns what is worth saying of the end of a connection: that it is closed already is not.
func closing(err error) error {
	if errors.Is(err, amqp091.ErrClosed) {
		return nil
	}
	return err
}
