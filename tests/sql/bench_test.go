package sql_test

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	psql "github.com/beatlabs/patron/async/sql"
)

// load is how many rows are there before something is measured.
const load = 100_000

// bench is a queue with one consumer.
type bench struct {
	testing.TB
	*database
	queue    *psql.Queue
	producer async.Producer
	consumer async.Consumer
}

func newBench(tb testing.TB, d *database, oo ...psql.OptionFunc) *bench {
	tb.Helper()
	q := d.queue(tb, "orders", oo...)
	b := &bench{TB: tb, database: d, queue: q, producer: q.Producer()}
	b.consumer = b.consume()
	return b
}

func (b *bench) consume() async.Consumer {
	b.Helper()
	c, err := b.queue.Create(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// publish sends n messages, in batches, with one of so many keys; 0 is none.
func (b *bench) publish(n, keys int) {
	b.Helper()
	for sent := 0; sent < n; {
		mm := make([]*async.Message, min(1000, n-sent))
		for i := range mm {
			mm[i] = &async.Message{Data: []byte(`{"invoice":"536365","customer":"17850"}`)}
			if keys > 0 {
				mm[i].Key = []byte("key" + strconv.Itoa((sent+i)%keys))
			}
		}
		if err := b.producer.Send(b.Context(), mm...); err != nil {
			b.Fatal(err)
		}
		sent += len(mm)
	}
}

func (b *bench) receive(limit int) []*async.Message {
	b.Helper()
	mm, err := b.consumer.Receive(b.Context(), limit)
	if err != nil {
		b.Fatal(err)
	}
	return slices.Clone(mm)
}

func (b *bench) settle(mm []*async.Message) {
	b.Helper()
	ss := make([]async.Settlement, len(mm))
	for i, m := range mm {
		ss[i].Message = m
	}
	if err := b.consumer.Settle(b.Context(), ss); err != nil {
		b.Fatal(err)
	}
	for i := range ss {
		if ss[i].Err != nil {
			b.Fatal(ss[i].Err)
		}
	}
}

// pass lets n messages through.
func (b *bench) pass(n, keys int) {
	b.Helper()
	b.publish(n, keys)
	for n > 0 {
		mm := b.receive(256)
		b.settle(mm)
		n -= len(mm)
	}
}

// median is the time of a Receive of one message that is there, in microseconds.
func (b *bench) median(keyed bool) float64 {
	b.Helper()
	const rounds = 101
	took := make([]time.Duration, rounds)
	for i := range took {
		m := &async.Message{Data: []byte("1")}
		if keyed {
			m.Key = []byte("probe" + strconv.Itoa(i%10))
		}
		if err := b.producer.Send(b.Context(), m); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		mm := b.receive(1)
		took[i] = time.Since(began)
		b.settle(mm)
	}
	slices.Sort(took)
	return float64(took[rounds/2].Nanoseconds()) / 1000
}

// multiply doubles the rows of the table of messages until there are n.
func (b *bench) multiply(n int64) {
	b.Helper()
	const columns = "queue, lane, msg_id, msg_key, headers, data, published, scheduled, expires, due, owner, attempts, deliveries, done"
	for have := b.number(b, "SELECT count(*) FROM @messages"); have < n; have *= 2 {
		b.must(b, "INSERT INTO @messages ("+columns+") SELECT "+columns+" FROM @messages LIMIT "+strconv.FormatInt(n-have, 10))
	}
}

// burdens are what a queue carries beside the messages that are received.
func burdens() map[string]func(b *bench) {
	return map[string]func(b *bench){
		"done rows": func(b *bench) {
			b.pass(100, 0)
			b.multiply(load)
		},
		"a blocked key": func(b *bench) {
			b.publish(load, 1)
			other := b.consume()
			mm, err := other.Receive(b.Context(), 1)
			if err != nil || len(mm) != 1 {
				b.Fatalf("got %d messages, %v", len(mm), err)
			}
		},
		"an open transaction": func(b *bench) {
			tx, err := b.direct.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { tx.Rollback() })
			var n int64
			if err := tx.QueryRow(b.text("SELECT count(*) FROM @messages")).Scan(&n); err != nil {
				b.Fatal(err)
			}
			b.pass(load/2, 0)
			b.pass(load/2, 1000)
		},
	}
}

// BenchmarkReceive says how long a Receive takes under each burden, and how much longer than with empty tables.
func BenchmarkReceive(b *testing.B) {
	for name, open := range makers() {
		for what, burden := range burdens() {
			b.Run(name+"/"+what, func(b *testing.B) {
				if name == "SQLite" && what == "an open transaction" {
					b.Skip("SQLite keeps nothing of what is deleted")
				}
				k := newBench(b, open(b), psql.WithRetention(time.Hour*24))
				if what == "an open transaction" {
					k = newBench(b, k.database)
				}
				for b.Loop() {
					plain, keyed := k.median(false), k.median(true)
					burden(k)
					plainAfter, keyedAfter := k.median(false), k.median(true)
					b.ReportMetric(plain, "µs-empty")
					b.ReportMetric(keyed, "µs-keyed-empty")
					b.ReportMetric(plainAfter/plain, "x")
					b.ReportMetric(keyedAfter/keyed, "x-keyed")
				}
			})
		}
	}
}

// BenchmarkThroughput says how many messages of 100 000 that are there a component with a handler that does nothing gets through a second.
func BenchmarkThroughput(b *testing.B) {
	for name, open := range makers() {
		for what, keys := range map[string]int{"unkeyed": 0, "1000 keys": 1000, "one key": 1} {
			b.Run(name+"/"+what, func(b *testing.B) {
				k := newBench(b, open(b))
				for b.Loop() {
					k.publish(load, keys)
					began := time.Now()
					ctx, cancel := context.WithCancel(b.Context())
					var left atomic.Int64
					left.Store(load)
					c, err := async.New("orders", k.queue, func(context.Context, *async.Message) error {
						if left.Add(-1) == 0 {
							cancel()
						}
						return nil
					}, async.WithMaxHeld(1000))
					if err != nil {
						b.Fatal(err)
					}
					if err := c.Run(ctx); err != nil {
						b.Fatal(err)
					}
					cancel()
					b.ReportMetric(load/time.Since(began).Seconds(), "messages/s")
				}
			})
		}
	}
}
