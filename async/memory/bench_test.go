package memory_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/beatlabs/patron/async"
)

// BenchmarkReceiveAndSettle is what the broker takes of a message that is laid ready, without an engine: receiving and settling, 16 keys. It copies nothing.
// What a Send copies is not in; BenchmarkBroker has that.
func BenchmarkReceiveAndSettle(b *testing.B) {
	const chunk, limit = 1024, 256
	broker := newBroker(b)
	c := consume(b, broker)
	p := broker.Producer(queue)
	mm := make([]*async.Message, chunk)
	for i := range mm {
		mm[i] = &async.Message{ID: "id", Key: []byte{byte('a' + i%16)}, Headers: async.Headers{{Key: "k", Value: "v"}}, Data: make([]byte, 200)}
	}
	ss := make([]async.Settlement, 0, limit)
	ctx := context.Background()
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; left -= chunk {
		b.StopTimer()
		if err := p.Send(ctx, mm[:min(left, chunk)]...); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for unsettled := min(left, chunk); unsettled > 0; unsettled -= len(ss) {
			got, err := c.Receive(ctx, limit)
			if err != nil {
				b.Fatal(err)
			}
			ss = ss[:0]
			for _, m := range got {
				ss = append(ss, async.Settlement{Message: m})
			}
			if err := c.Settle(ctx, ss); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkBroker sends, receives and settles messages of 200 bytes, one at a time.
func BenchmarkBroker(b *testing.B) {
	for name, key := range map[string]func(n int) string{
		"no key":      func(int) string { return "" },
		"16 keys":     func(n int) string { return strconv.Itoa(n % 16) },
		"always new":  strconv.Itoa,
		"one hot key": func(int) string { return "k" },
	} {
		b.Run(name, func(b *testing.B) {
			broker := newBroker(b)
			c := consume(b, broker)
			p := broker.Producer(queue)
			m := &async.Message{ID: "id", Data: make([]byte, 200)}
			ss := make([]async.Settlement, 1)
			ctx := context.Background()
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				m.Key = append(m.Key[:0], key(n)...)
				if err := p.Send(ctx, m); err != nil {
					b.Fatal(err)
				}
				mm, err := c.Receive(ctx, 10)
				if err != nil {
					b.Fatal(err)
				}
				ss[0] = async.Settlement{Message: mm[0]}
				if err := c.Settle(ctx, ss); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
