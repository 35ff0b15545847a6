package amqp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"iter"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/internal/jitter"
	"github.com/beatlabs/patron/correlation"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// deadLetters are those of one queue. AMQP cannot look into a queue: whoever wants to see a message must take it, and what is taken is not there for anybody
// else until it is given back. So each call takes all of them over a connection of its own, gives them back, in their order, by closing it, and only then says
// what it saw. Meanwhile it holds a guard, an exclusive queue which the broker takes away with its connection: calls wait for each other, in whichever process.
type deadLetters struct {
	config *config
	turn   chan struct{} // a token for whoever is at it in this process, which spares the broker the waiting
}

var _ async.DeadLetters = (*deadLetters)(nil)

func newDeadLetters(c *config) *deadLetters {
	return &deadLetters{config: c, turn: make(chan struct{}, 1)}
}

// letterID is what tells one writing of a letter from all others: what the writer gave it, or what it consists of.
type letterID struct {
	of *deadLetters
	id string
}

// List implements async.DeadLetters. It has read all letters when it yields the first.
func (d *deadLetters) List(ctx context.Context, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
	return func(yield func(*async.DeadLetter, error) bool) {
		ll, err := d.find(ctx, f)
		if err != nil {
			yield(nil, d.errorf("list", err))
			return
		}
		for _, l := range ll {
			if ctx.Err() != nil {
				yield(nil, d.errorf("list", context.Cause(ctx)))
				return
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

// find returns the letters that f chooses.
func (d *deadLetters) find(ctx context.Context, f async.DeadFilter) ([]*async.DeadLetter, error) {
	var ll []*async.DeadLetter
	err := d.read(ctx, func(m *amqp091.Delivery) verdict {
		if l := d.letter(m); f.Match(l) {
			ll = append(ll, l)
		}
		return keep
	})
	return ll, err
}

// Count implements async.DeadLetters. Without a filter it asks the broker for the number.
func (d *deadLetters) Count(ctx context.Context, f async.DeadFilter) (int64, error) {
	var n int64
	var err error
	if f.ID == "" && f.Key == nil && f.Type == "" && f.Cause == "" && f.Origin == "" && f.After.IsZero() && f.Before.IsZero() {
		err = d.guarded(ctx, func(conn connection) error {
			ch, err := conn.Channel()
			if err != nil {
				return err
			}
			n, err = d.number(ch)
			return err
		})
	} else {
		err = d.read(ctx, func(m *amqp091.Delivery) verdict {
			if f.Match(d.letter(m)) {
				n++
			}
			return keep
		})
	}
	if err != nil {
		return 0, d.errorf("count", err)
	}
	return n, nil
}

// Get implements async.DeadLetters.
func (d *deadLetters) Get(ctx context.Context, id string) (*async.DeadLetter, error) {
	ll, err := d.find(ctx, async.DeadFilter{ID: id})
	switch {
	case err != nil:
		return nil, d.errorf("get", err)
	case len(ll) == 0 || id == "":
		return nil, d.errorf("get", fmt.Errorf("%w with ID %q", async.ErrNoLetter, id))
	default:
		return ll[len(ll)-1], nil
	}
}

// Remove implements async.DeadLetters.
func (d *deadLetters) Remove(ctx context.Context, ll ...*async.DeadLetter) error {
	doomed := make(map[string]int)
	for _, l := range ll {
		if l == nil {
			continue
		}
		if raw, ok := l.Raw.(letterID); ok && raw.of.config.deadQueue == d.config.deadQueue {
			doomed[raw.id]++
		}
	}
	if len(doomed) == 0 {
		return nil
	}
	left := len(doomed)
	err := d.read(ctx, func(m *amqp091.Delivery) verdict {
		id := identify(m)
		if doomed[id] == 0 {
			return keep
		}
		if doomed[id]--; doomed[id] == 0 {
			left--
		}
		if left == 0 {
			return removeLast
		}
		return remove
	})
	if err != nil {
		return d.errorf("remove", err)
	}
	return nil
}

// letter returns the letter that m is.
func (d *deadLetters) letter(m *amqp091.Delivery) *async.DeadLetter {
	msg := &async.Message{Source: &async.Source{System: system, Name: d.config.deadQueue, Partition: -1}, Raw: m}
	fill(msg, m, nil)
	l := async.NewDeadLetter(msg)
	l.Raw = letterID{of: d, id: identify(m)}
	if l.Cause == "" && l.Time.IsZero() {
		readDeath(l, m)
	}
	if l.Attempts == 0 {
		l.Attempts = numberOf(m.Headers, headerAttempts)
	}
	return l
}

// readDeath says what the broker says of a message that it moved here itself: it was over the delivery limit or the length of its queue, or expired.
func readDeath(l *async.DeadLetter, m *amqp091.Delivery) {
	deaths, _ := m.Headers[headerDeath].([]any)
	if len(deaths) == 0 {
		return
	}
	last, _ := deaths[0].(amqp091.Table)
	l.Cause = "the broker moved it: " + textOf(last["reason"])
	l.Origin = textOf(last["queue"])
	l.Time, _ = last["time"].(time.Time)
}

// identify returns what tells a letter from all others. One that the broker wrote has no name of its own; two that are the same in everything are taken for
// one another, which makes no difference.
func identify(m *amqp091.Delivery) string {
	if id, ok := m.Headers[headerLetter].(string); ok && id != "" {
		return id
	}
	sum := sha256.New()
	part(sum, m.MessageId)
	part(sum, textOf(m.Headers[async.HeaderDeadTime]))
	part(sum, textOf(m.Headers[headerDeath]))
	part(sum, textOf(m.Timestamp))
	sum.Write(m.Body)
	return string(sum.Sum(nil))
}

func part(sum hash.Hash, text string) { fmt.Fprintf(sum, "%d:%s", len(text), text) }

// verdict is what becomes of a letter that was read.
type verdict uint8

const (
	keep verdict = iota
	remove
	removeLast // and read no further
)

// read calls f with each letter that is there now, the oldest first, and gives back what f keeps. What is removed is gone when it returns.
func (d *deadLetters) read(ctx context.Context, f func(m *amqp091.Delivery) verdict) error {
	return d.guarded(ctx, func(conn connection) error {
		ch, err := conn.Channel()
		if err != nil {
			return err
		}
		n, err := d.number(ch)
		if err != nil || n == 0 {
			return err
		}
		closed := ch.NotifyClose(make(chan *amqp091.Error, 1))
		deliveries, err := ch.Consume(d.config.deadQueue, tag(d.config.deadQueue), false, false, false, false, nil)
		if err != nil {
			return d.config.explain(err, "dead-letter queue", d.config.deadQueue)
		}
		if err := each(ctx, ch, deliveries, closed, n, f); err != nil {
			return err
		}
		return ch.Close() // which also says that the broker has read what was removed
	})
}

// each calls f with n deliveries.
func each(
	ctx context.Context, ch channel, deliveries <-chan amqp091.Delivery, closed <-chan *amqp091.Error, n int64, f func(*amqp091.Delivery) verdict,
) error {
	quiet := time.NewTimer(quietTime)
	defer quiet.Stop()
	for range n {
		select {
		case m, ok := <-deliveries:
			if !ok {
				return ending(<-closed)
			}
			what := f(&m)
			if what != keep {
				if err := ch.Ack(m.DeliveryTag, false); err != nil {
					return err
				}
			}
			if what == removeLast {
				return nil
			}
			quiet.Reset(quietTime)
		case <-quiet.C:
			return nil // somebody else takes letters, who does not know the guard
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// quietTime is how long to wait for letters that the broker has counted.
const quietTime = 5 * time.Second

// number returns how many letters there are. A queue that was never made has none.
func (d *deadLetters) number(ch declaring) (int64, error) {
	q, err := ch.QueueDeclarePassive(d.config.deadQueue, true, false, false, false, nil)
	if refusal, ok := errors.AsType[*amqp091.Error](err); ok && refusal.Code == amqp091.NotFound {
		return 0, nil
	}
	if err != nil {
		return 0, d.config.explain(err, "dead-letter queue", d.config.deadQueue)
	}
	return int64(q.Messages), nil
}

// guarded calls f with a connection while nobody else reads the letters.
func (d *deadLetters) guarded(ctx context.Context, f func(connection) error) error {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-d.turn }()
	conn, err := d.config.connect(ctx)
	if err != nil {
		return err
	}
	release := context.AfterFunc(ctx, func() { _ = conn.CloseDeadline(time.Now()) })
	err = d.guard(ctx, conn)
	if err == nil {
		err = f(conn)
	}
	if !release() {
		return errors.Join(context.Cause(ctx), closing(err))
	}
	return errors.Join(err, closing(conn.CloseDeadline(time.Now().Add(closeTime))))
}

// guard waits until nobody else reads the letters.
func (d *deadLetters) guard(ctx context.Context, conn connection) error {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		ch, err := conn.Channel()
		if err != nil {
			return err
		}
		name := d.config.deadQueue + guardSuffix
		_, err = ch.QueueDeclare(name, false, true, true, false, nil)
		if err == nil {
			return nil // it goes with the connection
		}
		refusal, ok := errors.AsType[*amqp091.Error](err)
		if !ok || refusal.Code != amqp091.ResourceLocked {
			return d.config.explain(err, "queue", name)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("somebody else reads the dead letters: %w", context.Cause(ctx))
		case <-time.After(wait/2 + jitter.Draw(ctx, correlation.New(), wait/2)):
		}
	}
}

func (d *deadLetters) errorf(operation string, err error) error {
	return fmt.Errorf("amqp: %s dead letters of %s: %w", operation, d.config.subject, err)
}
