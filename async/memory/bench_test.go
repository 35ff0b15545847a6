package memory_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/beatlabs/patron/async"
)

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
