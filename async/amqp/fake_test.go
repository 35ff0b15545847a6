package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// fakeBroker is as much of RabbitMQ as the driver uses, in memory and without input or output, so that it lives in a bubble of synctest: exchanges, queues
// with their arguments, prefetch, redelivery in place, confirms and returns, time to live, dead-letter exchanges, exclusive queues, single active consumers,
// delivery counts of quorum queues, errors that close a channel, and connection.blocked.
type fakeBroker struct {
	mu        sync.Mutex
	isDown    bool
	blocked   string
	versioned string
	exchanges map[string]*fakeExchange
	queues    map[string]*fakeQueue
	conns     map[*fakeConnection]bool
	seq       int64
	dials     int
}

type fakeExchange struct {
	kind     string
	args     amqp091.Table
	bindings []fakeBinding
}

type fakeBinding struct {
	queue, key string
}

type fakeQueue struct {
	name      string
	args      amqp091.Table
	durable   bool
	exclusive *fakeConnection
	messages  []*fakeMessage
	consumers []*fakeConsumer
	turn      int
}

type fakeMessage struct {
	seq           int64
	exchange, key string
	publishing    amqp091.Publishing
	redelivered   bool
	deliveries    int
}

type fakeConnection struct {
	broker   *fakeBroker
	channels []*fakeChannel
	blocks   []chan amqp091.Blocking
	closed   bool
	held     []func() // publishes that the broker does not read
}

type fakeChannel struct {
	conn      *fakeConnection
	closed    bool
	confirms  []chan amqp091.Confirmation
	returns   []chan amqp091.Return
	closes    []chan *amqp091.Error
	cancels   []chan string
	confirm   bool
	published uint64
	tag       uint64
	prefetch  int
	unacked   map[uint64]fakeUnacked
	consumers []*fakeConsumer
	events    *serial
}

type fakeUnacked struct {
	queue    *fakeQueue
	message  *fakeMessage
	consumer *fakeConsumer
}

type fakeConsumer struct {
	channel *fakeChannel
	queue   *fakeQueue
	tag     string
	out     chan amqp091.Delivery
	events  *serial
	held    int
}

func newFakeBroker() *fakeBroker {
	return &fakeBroker{
		versioned: "3.10.8", exchanges: map[string]*fakeExchange{}, queues: map[string]*fakeQueue{}, conns: map[*fakeConnection]bool{},
	}
}

// serial calls functions one after another in a goroutine that lives while there are some. What is pending when it is ended is dropped.
type serial struct {
	mu      sync.Mutex
	pending []func(done <-chan struct{})
	running bool
	done    chan struct{}
}

func newSerial() *serial { return &serial{done: make(chan struct{})} }

func (s *serial) do(f func(done <-chan struct{})) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, f)
	if s.running {
		return
	}
	s.running = true
	go func() {
		for {
			s.mu.Lock()
			if len(s.pending) == 0 {
				s.running = false
				s.mu.Unlock()
				return
			}
			f := s.pending[0]
			s.pending = s.pending[1:]
			s.mu.Unlock()
			f(s.done)
		}
	}()
}

func send[T any](to chan T, v T) func(done <-chan struct{}) {
	return func(done <-chan struct{}) {
		select {
		case to <- v:
		case <-done:
		}
	}
}

// connector makes connections to b.
func (b *fakeBroker) connector(ctx context.Context, _ *config, _ endpoint) (connection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dials++
	if b.isDown {
		return nil, errors.New("connection refused")
	}
	c := &fakeConnection{broker: b}
	b.conns[c] = true
	return c, nil
}

func (b *fakeBroker) down() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isDown = true
	b.breakLocked()
}

func (b *fakeBroker) breakLocked() {
	for c := range b.conns {
		c.endLocked(&amqp091.Error{Code: amqp091.FrameError, Reason: "EOF"})
	}
}

func (b *fakeBroker) up() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isDown = false
}

// block makes the broker read nothing more of those who publish; "" ends it.
func (b *fakeBroker) block(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blocked = reason
	for c := range b.conns {
		for _, l := range c.blocks {
			l <- amqp091.Blocking{Active: reason != "", Reason: reason}
		}
		if reason == "" {
			for _, f := range c.held {
				f()
			}
			c.held = nil
		}
	}
}

// deleteQueue cancels its consumers.
func (b *fakeBroker) deleteQueue(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[name]
	if q == nil {
		return
	}
	delete(b.queues, name)
	consumers := q.consumers
	q.consumers = nil
	for _, c := range consumers {
		for _, l := range c.channel.cancels {
			c.channel.events.do(send(l, c.tag))
		}
		c.channel.events.do(func(<-chan struct{}) { c.finish() })
		c.channel.consumers = slices.DeleteFunc(c.channel.consumers, func(o *fakeConsumer) bool { return o == c })
	}
}

func refusal(code int, format string, args ...any) *amqp091.Error {
	return &amqp091.Error{Code: code, Reason: fmt.Sprintf(format, args...), Server: true, Recover: true}
}

// Connection.

func (c *fakeConnection) frameSize() int  { return 131072 }
func (c *fakeConnection) version() string { return c.broker.versioned }

func (c *fakeConnection) Channel() (channel, error) {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.closed {
		return nil, amqp091.ErrClosed
	}
	ch := &fakeChannel{conn: c, unacked: map[uint64]fakeUnacked{}, events: newSerial()}
	c.channels = append(c.channels, ch)
	return ch, nil
}

func (c *fakeConnection) NotifyBlocked(l chan amqp091.Blocking) chan amqp091.Blocking {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	c.blocks = append(c.blocks, l)
	if c.broker.blocked != "" {
		l <- amqp091.Blocking{Active: true, Reason: c.broker.blocked}
	}
	return l
}

func (c *fakeConnection) IsClosed() bool {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	return c.closed
}

func (c *fakeConnection) CloseDeadline(time.Time) error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.closed {
		return amqp091.ErrClosed
	}
	c.endLocked(nil)
	return nil
}

func (c *fakeConnection) endLocked(err *amqp091.Error) {
	c.closed = true
	delete(c.broker.conns, c)
	for _, ch := range c.channels {
		ch.endLocked(err)
	}
	for _, l := range c.blocks {
		close(l)
	}
	for name, q := range c.broker.queues {
		if q.exclusive == c {
			delete(c.broker.queues, name)
		}
	}
}

// Channel.

func (ch *fakeChannel) lock() (unlock func(), err error) {
	ch.conn.broker.mu.Lock()
	if ch.closed {
		ch.conn.broker.mu.Unlock()
		return nil, amqp091.ErrClosed
	}
	return ch.conn.broker.mu.Unlock, nil
}

// refuseLocked closes the channel, as the broker does when it refuses something.
func (ch *fakeChannel) refuseLocked(err *amqp091.Error) error {
	ch.endLocked(err)
	return err
}

func (ch *fakeChannel) endLocked(err *amqp091.Error) {
	if ch.closed {
		return
	}
	ch.closed = true
	if err != nil {
		for _, l := range ch.closes {
			select {
			case l <- err:
			default:
			}
		}
	}
	for _, c := range ch.consumers {
		c.queue.consumers = slices.DeleteFunc(c.queue.consumers, func(o *fakeConsumer) bool { return o == c })
		c.finish()
	}
	touched := map[*fakeQueue]bool{}
	for tag := range ch.unacked {
		touched[ch.unacked[tag].queue] = true
		ch.requeueLocked(tag)
	}
	for q := range touched {
		ch.conn.broker.deliverLocked(q)
	}
	ch.conn.broker.deliverAllLocked()
	ch.events.do(func(<-chan struct{}) {
		for _, l := range ch.confirms {
			close(l)
		}
		for _, l := range ch.returns {
			close(l)
		}
		for _, l := range ch.closes {
			close(l)
		}
		for _, l := range ch.cancels {
			close(l)
		}
	})
}

// finish closes the deliveries of a consumer.
func (c *fakeConsumer) finish() {
	close(c.events.done)
	c.events.do(func(<-chan struct{}) { close(c.out) })
}

func (ch *fakeChannel) Close() error {
	unlock, err := ch.lock()
	if err != nil {
		return nil
	}
	defer unlock()
	ch.endLocked(nil)
	return nil
}

func (ch *fakeChannel) NotifyClose(l chan *amqp091.Error) chan *amqp091.Error {
	ch.closes = append(ch.closes, l)
	return l
}

func (ch *fakeChannel) NotifyCancel(l chan string) chan string {
	ch.cancels = append(ch.cancels, l)
	return l
}

func (ch *fakeChannel) NotifyPublish(l chan amqp091.Confirmation) chan amqp091.Confirmation {
	ch.confirms = append(ch.confirms, l)
	return l
}

func (ch *fakeChannel) NotifyReturn(l chan amqp091.Return) chan amqp091.Return {
	ch.returns = append(ch.returns, l)
	return l
}

func (ch *fakeChannel) Qos(count, _ int, _ bool) error {
	ch.prefetch = count
	return nil
}

func (ch *fakeChannel) Confirm(bool) error {
	ch.confirm = true
	return nil
}

func (ch *fakeChannel) Consume(queue, tag string, _, _, _, _ bool, _ amqp091.Table) (<-chan amqp091.Delivery, error) {
	unlock, err := ch.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	q := ch.conn.broker.queues[queue]
	if q == nil {
		return nil, ch.refuseLocked(refusal(amqp091.NotFound, "NOT_FOUND - no queue '%s' in vhost '/'", queue))
	}
	c := &fakeConsumer{channel: ch, queue: q, tag: tag, out: make(chan amqp091.Delivery), events: newSerial()}
	ch.consumers = append(ch.consumers, c)
	q.consumers = append(q.consumers, c)
	ch.conn.broker.deliverLocked(q)
	return c.out, nil
}

func (ch *fakeChannel) Cancel(tag string, _ bool) error {
	unlock, err := ch.lock()
	if err != nil {
		return err
	}
	defer unlock()
	for i, c := range ch.consumers {
		if c.tag == tag {
			ch.consumers = slices.Delete(ch.consumers, i, i+1)
			c.queue.consumers = slices.DeleteFunc(c.queue.consumers, func(o *fakeConsumer) bool { return o == c })
			c.finish()
			break
		}
	}
	ch.conn.broker.deliverAllLocked()
	return nil
}

func (ch *fakeChannel) Ack(tag uint64, multiple bool) error {
	return ch.settle(tag, multiple, func(t uint64) {
		ch.unacked[t].consumer.held--
		delete(ch.unacked, t)
	})
}

func (ch *fakeChannel) Nack(tag uint64, multiple, requeue bool) error {
	if !requeue {
		return errors.New("nack without requeue: not needed here")
	}
	return ch.settle(tag, multiple, ch.requeueLocked)
}

func (ch *fakeChannel) settle(tag uint64, multiple bool, f func(tag uint64)) error {
	unlock, err := ch.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, ok := ch.unacked[tag]; !ok {
		_ = ch.refuseLocked(refusal(amqp091.PreconditionFailed, "PRECONDITION_FAILED - unknown delivery tag %d", tag))
		return nil // it was written
	}
	if multiple {
		for _, t := range slices.Sorted(maps.Keys(ch.unacked)) {
			if t < tag {
				f(t)
			}
		}
	}
	f(tag)
	ch.conn.broker.deliverAllLocked()
	return nil
}

func (ch *fakeChannel) requeueLocked(tag uint64) {
	u := ch.unacked[tag]
	delete(ch.unacked, tag)
	u.consumer.held--
	u.message.redelivered = true
	u.message.deliveries++
	q := u.queue
	at, _ := slices.BinarySearchFunc(q.messages, u.message, func(a, b *fakeMessage) int { return cmp.Compare(a.seq, b.seq) })
	q.messages = slices.Insert(q.messages, at, u.message)
}

func (b *fakeBroker) deliverAllLocked() {
	for _, q := range b.queues {
		b.deliverLocked(q)
	}
}

// deliverLocked gives what is ready to whoever may have more.
func (b *fakeBroker) deliverLocked(q *fakeQueue) {
	for len(q.messages) > 0 {
		c := q.nextConsumer()
		if c == nil {
			return
		}
		m := q.messages[0]
		q.messages = q.messages[1:]
		ch := c.channel
		ch.tag++
		c.held++
		ch.unacked[ch.tag] = fakeUnacked{queue: q, message: m, consumer: c}
		p := m.publishing
		d := amqp091.Delivery{
			Headers: maps.Clone(p.Headers), ContentType: p.ContentType, ContentEncoding: p.ContentEncoding, DeliveryMode: p.DeliveryMode,
			Priority: p.Priority, CorrelationId: p.CorrelationId, ReplyTo: p.ReplyTo, Expiration: p.Expiration, MessageId: p.MessageId,
			Timestamp: p.Timestamp.Truncate(time.Second), Type: p.Type, UserId: p.UserId, AppId: p.AppId, ConsumerTag: c.tag,
			DeliveryTag: ch.tag, Redelivered: m.redelivered, Exchange: m.exchange, RoutingKey: m.key, Body: slices.Clone(p.Body),
		}
		if q.args[argType] == "quorum" && m.deliveries > 0 {
			if d.Headers == nil {
				d.Headers = amqp091.Table{}
			}
			d.Headers[headerDeliveryCount] = int64(m.deliveries)
		}
		c.events.do(send(c.out, d))
	}
}

func (q *fakeQueue) nextConsumer() *fakeConsumer {
	n := len(q.consumers)
	if single, _ := q.args[argSingle].(bool); single {
		n = min(n, 1)
		q.turn = 0
	}
	for range n {
		c := q.consumers[q.turn%n]
		q.turn = (q.turn + 1) % n
		if c.channel.prefetch == 0 || c.held < c.channel.prefetch {
			return c
		}
	}
	return nil
}

func (ch *fakeChannel) Publish(exchange, key string, mandatory, _ bool, p amqp091.Publishing) error {
	unlock, err := ch.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := p.Headers.Validate(); err != nil {
		return err
	}
	ch.published++
	tag := ch.published
	p.Headers, p.Body = maps.Clone(p.Headers), slices.Clone(p.Body)
	arrive := func() {
		if ch.closed {
			return
		}
		b := ch.conn.broker
		if exchange != "" && b.exchanges[exchange] == nil {
			_ = ch.refuseLocked(refusal(amqp091.NotFound, "NOT_FOUND - no exchange '%s' in vhost '/'", exchange))
			return
		}
		to := b.route(exchange, key)
		if len(to) == 0 && mandatory {
			for _, l := range ch.returns {
				ch.events.do(send(l, amqp091.Return{
					ReplyCode: amqp091.NoRoute, ReplyText: "NO_ROUTE", Exchange: exchange, RoutingKey: key, MessageId: p.MessageId, Body: p.Body,
				}))
			}
		}
		for _, q := range to {
			b.enqueueLocked(q, exchange, key, p)
		}
		for _, l := range ch.confirms {
			ch.events.do(send(l, amqp091.Confirmation{DeliveryTag: tag, Ack: true}))
		}
	}
	if ch.conn.broker.blocked != "" {
		ch.conn.held = append(ch.conn.held, arrive)
		return nil
	}
	arrive()
	return nil
}

func (b *fakeBroker) route(exchange, key string) []*fakeQueue {
	if exchange == "" {
		if q := b.queues[key]; q != nil {
			return []*fakeQueue{q}
		}
		return nil
	}
	var to []*fakeQueue
	e := b.exchanges[exchange]
	for _, bound := range e.bindings {
		if q := b.queues[bound.queue]; q != nil && (e.kind == amqp091.ExchangeFanout || bound.key == key) && !slices.Contains(to, q) {
			to = append(to, q)
		}
	}
	return to
}

func (b *fakeBroker) enqueueLocked(q *fakeQueue, exchange, key string, p amqp091.Publishing) {
	b.seq++
	m := &fakeMessage{seq: b.seq, exchange: exchange, key: key, publishing: p}
	q.messages = append(q.messages, m)
	if ttl := numberOf(q.args, argTTL); ttl > 0 {
		time.AfterFunc(time.Duration(ttl)*time.Millisecond, func() { b.expire(q, m) })
	}
	b.deliverLocked(q)
}

// expire moves a message on, if it is still there.
func (b *fakeBroker) expire(q *fakeQueue, m *fakeMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := slices.Index(q.messages, m)
	if at < 0 {
		return
	}
	q.messages = slices.Delete(q.messages, at, at+1)
	p := m.publishing
	p.Headers = cloneTable(p.Headers)
	p.Headers[headerDeath] = []any{amqp091.Table{"queue": q.name, "reason": "expired", "count": int64(1), "time": time.Now().Truncate(time.Second)}}
	for _, to := range b.route(textOf(q.args[argExchange]), textOf(q.args[argKey])) {
		b.enqueueLocked(to, textOf(q.args[argExchange]), textOf(q.args[argKey]), p)
	}
}

func (ch *fakeChannel) ExchangeDeclare(name, kind string, _, _, _, _ bool, args amqp091.Table) error {
	unlock, err := ch.lock()
	if err != nil {
		return err
	}
	defer unlock()
	e := ch.conn.broker.exchanges[name]
	switch {
	case e == nil:
		ch.conn.broker.exchanges[name] = &fakeExchange{kind: kind, args: args}
	case e.kind != kind:
		return ch.refuseLocked(refusal(amqp091.PreconditionFailed,
			"PRECONDITION_FAILED - inequivalent arg 'type' for exchange '%s' in vhost '/': received '%s' but current is '%s'", name, kind, e.kind))
	}
	return nil
}

func (ch *fakeChannel) ExchangeDeclarePassive(name, _ string, _, _, _, _ bool, _ amqp091.Table) error {
	unlock, err := ch.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if ch.conn.broker.exchanges[name] == nil {
		return ch.refuseLocked(refusal(amqp091.NotFound, "NOT_FOUND - no exchange '%s' in vhost '/'", name))
	}
	return nil
}

func (ch *fakeChannel) QueueDeclare(name string, durable, _, exclusive, _ bool, args amqp091.Table) (amqp091.Queue, error) {
	unlock, err := ch.lock()
	if err != nil {
		return amqp091.Queue{}, err
	}
	defer unlock()
	b := ch.conn.broker
	q := b.queues[name]
	if q == nil {
		q = &fakeQueue{name: name, durable: durable, args: maps.Clone(args)}
		if exclusive {
			q.exclusive = ch.conn
		}
		b.queues[name] = q
		return amqp091.Queue{Name: name}, nil
	}
	if q.exclusive != nil && q.exclusive != ch.conn {
		return amqp091.Queue{}, ch.refuseLocked(refusal(amqp091.ResourceLocked, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '%s'", name))
	}
	keys := append(slices.Collect(maps.Keys(args)), slices.Collect(maps.Keys(q.args))...)
	slices.Sort(keys)
	for _, key := range keys {
		if !reflect.DeepEqual(args[key], q.args[key]) {
			return amqp091.Queue{}, ch.refuseLocked(refusal(amqp091.PreconditionFailed,
				"PRECONDITION_FAILED - inequivalent arg '%s' for queue '%s' in vhost '/': received %s but current is %s", key, name, told(args[key]), told(q.args[key])))
		}
	}
	return q.state(), nil
}

// told is how the broker speaks of a value.
func told(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		return "the value '" + v + "' of type 'longstr'"
	default:
		return fmt.Sprintf("the value '%v' of type 'signedint'", v)
	}
}

func (q *fakeQueue) state() amqp091.Queue {
	return amqp091.Queue{Name: q.name, Messages: len(q.messages), Consumers: len(q.consumers)}
}

func (ch *fakeChannel) QueueDeclarePassive(name string, _, _, _, _ bool, _ amqp091.Table) (amqp091.Queue, error) {
	unlock, err := ch.lock()
	if err != nil {
		return amqp091.Queue{}, err
	}
	defer unlock()
	q := ch.conn.broker.queues[name]
	if q == nil {
		return amqp091.Queue{}, ch.refuseLocked(refusal(amqp091.NotFound, "NOT_FOUND - no queue '%s' in vhost '/'", name))
	}
	return q.state(), nil
}

func (ch *fakeChannel) QueueBind(name, key, exchange string, _ bool, _ amqp091.Table) error {
	unlock, err := ch.lock()
	if err != nil {
		return err
	}
	defer unlock()
	e := ch.conn.broker.exchanges[exchange]
	if e == nil {
		return ch.refuseLocked(refusal(amqp091.NotFound, "NOT_FOUND - no exchange '%s' in vhost '/'", exchange))
	}
	if bound := (fakeBinding{name, key}); !slices.Contains(e.bindings, bound) {
		e.bindings = append(e.bindings, bound)
	}
	return nil
}

func (ch *fakeChannel) QueueUnbind(name, key, exchange string, _ amqp091.Table) error {
	unlock, err := ch.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if e := ch.conn.broker.exchanges[exchange]; e != nil {
		e.bindings = slices.DeleteFunc(e.bindings, func(b fakeBinding) bool { return b == fakeBinding{name, key} })
	}
	return nil
}

// fakeWorld is the double as the harness wants it.
type fakeWorld struct{ broker *fakeBroker }

func withFake(b *fakeBroker) OptionFunc {
	return func(c *config) error {
		c.connector = b.connector
		return nil
	}
}

func (w *fakeWorld) options() []OptionFunc { return []OptionFunc{withFake(w.broker)} }

func (w *fakeWorld) absent() []OptionFunc {
	b := newFakeBroker()
	b.down()
	return []OptionFunc{withFake(b)}
}

func (w *fakeWorld) down()                 { w.broker.down() }
func (w *fakeWorld) up()                   { w.broker.up() }
func (w *fakeWorld) clear(_, _ []string)   {}
func (b *fakeBroker) has(queue string) int { return len(b.ids(queue)) }

// ids returns those of the messages that are ready in a queue.
func (b *fakeBroker) ids(queue string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[queue]
	if q == nil {
		return nil
	}
	ids := []string{}
	for _, m := range q.messages {
		ids = append(ids, m.publishing.MessageId)
	}
	return ids
}

// names returns the queues, sorted.
func (b *fakeBroker) names() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(b.queues)), " ")
}
