package memory

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"pgregory.net/rapid"
)

// model is what a queue must do, in the plainest way: a slice of messages in order of arrival.
type model struct {
	t         *rapid.T
	broker    *Broker
	consumers []*modelConsumer
	messages  []*modelMessage
	sent      int
}

type modelConsumer struct {
	consumer async.Consumer
	stale    []*async.Message // settled or lost
}

type modelMessage struct {
	id, key    string
	due        time.Time
	later      time.Time      // not there before, but for being counted; zero: it is there
	holder     *modelConsumer // nil: queued
	delivery   *async.Message
	attempt    int
	deliveries int
}

const modelPerKey = 3

// TestTheQueueDoesWhatItsModelDoes runs random histories of sends, receives, settlements, lost claims, outages and consumers that come and go.
func TestTheQueueDoesWhatItsModelDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) { // without Deadline, which a bubble does not allow
				b, err := New(WithoutDrain(), WithClaims(), WithPerKey(modelPerKey))
				if err != nil {
					rt.Fatal(err)
				}
				m := &model{t: rt, broker: b}
				m.open()
				rt.Repeat(map[string]func(*rapid.T){
					"send":    m.send,
					"receive": m.receive,
					"settle":  m.settle,
					"stale":   m.settleStale,
					"wait":    m.wait,
					"open":    m.openAnother,
					"close":   m.closeOne,
					"lose":    m.lose,
					"outage":  m.outage,
					"":        m.check,
				})
				m.finish()
			})
		}
	})
}

func (m *model) open() {
	c, err := m.broker.Consumer("q").Create(context.Background())
	if err != nil {
		m.t.Fatal(err)
	}
	m.consumers = append(m.consumers, &modelConsumer{consumer: c})
}

func (m *model) openAnother(t *rapid.T) {
	if len(m.consumers) == 3 {
		t.Skip("there are three")
	}
	m.open()
}

func (m *model) pick(t *rapid.T) *modelConsumer {
	return rapid.SampledFrom(m.consumers).Draw(t, "consumer")
}

// comeIn lets in what was sent to be given later, as if it were sent when it is due.
func (m *model) comeIn() {
	now := time.Now()
	var in []*modelMessage
	m.messages = slices.DeleteFunc(m.messages, func(msg *modelMessage) bool {
		due := !msg.later.IsZero() && !msg.later.After(now)
		if due {
			in = append(in, msg)
		}
		return due
	})
	slices.SortStableFunc(in, func(a, b *modelMessage) int { return a.later.Compare(b.later) })
	for _, msg := range in {
		msg.later = time.Time{}
	}
	m.messages = append(m.messages, in...)
}

func (m *model) send(t *rapid.T) {
	m.comeIn()
	p := &producer{queue: m.broker.queue("q")}
	n := rapid.IntRange(1, 4).Draw(t, "n")
	var mm []*async.Message
	for range n {
		m.sent++
		msg := &modelMessage{id: strconv.Itoa(m.sent), key: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key")}
		sent := &async.Message{ID: msg.id, Key: []byte(msg.key), Data: []byte(msg.id)}
		if rapid.IntRange(0, 4).Draw(t, "later") == 0 {
			sent.Due = time.Now().Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "due")) * time.Millisecond)
			msg.later = sent.Due
		}
		m.messages = append(m.messages, msg)
		mm = append(mm, sent)
	}
	if err := p.Send(context.Background(), mm...); err != nil {
		t.Fatal(err)
	}
}

// flying returns the keys of which something is in flight.
func (m *model) flying() map[string]bool {
	keys := make(map[string]bool)
	for _, msg := range m.messages {
		if msg.holder != nil && msg.key != "" {
			keys[msg.key] = true
		}
	}
	return keys
}

// takeable reports whether msg may be given now, in a Receive before which something of the keys flying was in flight.
func (m *model) takeable(msg *modelMessage, flying map[string]bool) bool {
	if msg.holder != nil || !msg.later.IsZero() || msg.due.After(time.Now()) || flying[msg.key] {
		return false
	}
	run := 0
	for _, other := range m.messages {
		if other == msg || msg.key == "" {
			break
		}
		if other.key != msg.key || !other.later.IsZero() {
			continue
		}
		if other.holder == nil {
			return false // it is not its turn
		}
		run++
	}
	return run < modelPerKey
}

func (m *model) receive(t *rapid.T) {
	c := m.pick(t)
	limit := rapid.IntRange(1, 5).Draw(t, "limit")
	ctx, cancel := context.WithTimeout(context.Background(), time.Microsecond)
	defer cancel()
	flying := m.flying()
	m.comeIn()
	mm, err := c.consumer.Receive(ctx, limit)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("receive: %v", err)
	}
	for _, got := range mm {
		at := slices.IndexFunc(m.messages, func(msg *modelMessage) bool { return msg.id == got.ID })
		if at < 0 {
			t.Fatalf("received %q, which is settled", got.ID)
		}
		msg := m.messages[at]
		if !m.takeable(msg, flying) {
			t.Fatalf("received %q of key %q, which is held or not yet to be given", msg.id, msg.key)
		}
		msg.holder, msg.delivery = c, got
		msg.deliveries++
		if got.Attempt != msg.attempt || got.Deliveries != msg.deliveries || string(got.Key) != msg.key || string(got.Data) != msg.id {
			t.Fatalf("received %q of key %q, attempt %d, deliveries %d, data %q, want %+v", got.ID, got.Key, got.Attempt, got.Deliveries, got.Data, msg)
		}
	}
	if len(mm) < limit {
		for _, msg := range m.messages {
			if m.takeable(msg, flying) {
				t.Fatalf("received %d of %d messages, but not %q of key %q", len(mm), limit, msg.id, msg.key)
			}
		}
	}
}

// goBack puts msg back.
func (m *model) goBack(msg *modelMessage, attempt int, delay time.Duration) {
	msg.holder.stale = append(msg.holder.stale, msg.delivery)
	msg.holder, msg.delivery, msg.attempt = nil, nil, attempt
	msg.due = time.Time{}
	if delay > 0 {
		msg.due = time.Now().Add(delay)
	}
}

func (m *model) settle(t *rapid.T) {
	var held []*modelMessage
	for _, msg := range m.messages {
		if msg.holder != nil {
			held = append(held, msg)
		}
	}
	if len(held) == 0 {
		t.Skip("nothing is held")
	}
	msg := rapid.SampledFrom(held).Draw(t, "message")
	v := rapid.SampledFrom([]async.Verdict{async.Ack, async.Ack, async.Ack, async.Retry, async.Release, async.Reject}).Draw(t, "verdict")
	s := async.Settlement{Message: msg.delivery, Verdict: v, Cause: errors.New("dead")}
	attempt := msg.attempt
	if v == async.Retry {
		s.Delay = time.Duration(rapid.IntRange(0, 3).Draw(t, "delay")) * time.Millisecond
		attempt++
		msg.delivery.Attempt = attempt
	}
	ss := []async.Settlement{s}
	if err := msg.holder.consumer.Settle(context.Background(), ss); err != nil || ss[0].Err != nil {
		t.Fatalf("%s %q: %v, %v", v, msg.id, err, ss[0].Err)
	}
	if v == async.Retry || v == async.Release {
		m.goBack(msg, attempt, s.Delay)
		return
	}
	msg.holder.stale = append(msg.holder.stale, msg.delivery)
	m.messages = slices.DeleteFunc(m.messages, func(other *modelMessage) bool { return other == msg })
}

func (m *model) settleStale(t *rapid.T) {
	c := m.pick(t)
	if len(c.stale) == 0 {
		t.Skip("nothing is stale")
	}
	ss := []async.Settlement{{Message: rapid.SampledFrom(c.stale).Draw(t, "message")}}
	if err := c.consumer.Settle(context.Background(), ss); err != nil || !errors.Is(ss[0].Err, async.ErrLost) {
		t.Fatalf("settle what is not ours: %v, %v", err, ss[0].Err)
	}
}

func (m *model) wait(*rapid.T) { time.Sleep(time.Millisecond) }

// drop puts back what c holds.
func (m *model) drop(c *modelConsumer) {
	for _, msg := range m.messages {
		if msg.holder == c {
			m.goBack(msg, msg.attempt, 0)
		}
	}
}

func (m *model) closeOne(t *rapid.T) {
	if len(m.consumers) == 1 {
		t.Skip("it is the last one")
	}
	c := m.pick(t)
	if err := c.consumer.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	m.drop(c)
	m.consumers = slices.DeleteFunc(m.consumers, func(other *modelConsumer) bool { return other == c })
}

func (m *model) lose(*rapid.T) {
	m.broker.Lose("q", nil)
	for _, c := range m.consumers {
		m.drop(c)
	}
}

func (m *model) outage(t *rapid.T) {
	m.broker.Down()
	for _, c := range m.consumers {
		m.drop(c)
		if _, err := c.consumer.Receive(context.Background(), 1); !errors.Is(err, ErrDown) {
			t.Fatalf("receive while the broker is down: %v", err)
		}
	}
	m.consumers = nil
	m.broker.Up()
	m.open()
}

func (m *model) check(t *rapid.T) {
	m.comeIn()
	held := 0
	for _, msg := range m.messages {
		if msg.holder != nil {
			held++
		}
	}
	if got := m.broker.Len("q"); got != len(m.messages) {
		t.Fatalf("Len: got %d, want %d", got, len(m.messages))
	}
	if got := m.broker.Held("q"); got != held {
		t.Fatalf("Held: got %d, want %d", got, held)
	}
	for i, msg := range m.broker.Messages("q") {
		if msg.ID != m.messages[i].id {
			t.Fatalf("message %d: got %q, want %q", i, msg.ID, m.messages[i].id)
		}
	}
}

// finish settles everything, after which the queue must have kept nothing.
func (m *model) finish() {
	for _, c := range m.consumers {
		m.drop(c)
		if err := c.consumer.Close(context.Background()); err != nil {
			m.t.Fatal(err)
		}
	}
	m.consumers = nil
	m.open()
	time.Sleep(time.Second)
	c := m.consumers[0]
	for len(m.messages) > 0 {
		m.receive(m.t)
		for _, msg := range slices.Clone(m.messages) {
			if msg.holder == nil {
				continue
			}
			ss := []async.Settlement{{Message: msg.delivery}}
			if err := c.consumer.Settle(context.Background(), ss); err != nil || ss[0].Err != nil {
				m.t.Fatalf("ack %q: %v, %v", msg.id, err, ss[0].Err)
			}
			m.messages = slices.DeleteFunc(m.messages, func(other *modelMessage) bool { return other == msg })
		}
	}
	q := m.broker.queue("q")
	if q.all.size+q.fresh.size+len(q.late.items)+len(q.delayed.items)+len(q.notDue.items)+len(q.lanes) > 0 {
		m.t.Fatalf("an empty queue keeps %d, %d, %d, %d messages and %d lanes", q.all.size, q.fresh.size, len(q.late.items), len(q.delayed.items), len(q.lanes))
	}
}
