package amqp

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// The benchmarks consume messages of 200 bytes that wait in a queue of the real broker. The bar is the CPU of a raw consumer with the same prefetch that
// acknowledges a hundred at a time: at most 1.3 of it. The rate is the broker's, and noisy.
const (
	benchPrefetch = 1000
	benchBody     = 200
)

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchQueue makes a queue with b.N messages, with keys in turn.
func benchQueue(b *testing.B, keys int) (url, queue string) {
	b.Helper()
	url, queue = realURL(b), unique("bench")
	conn, err := amqp091.Dial(url)
	if err != nil {
		b.Fatal(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		clearReal(b, conn, []string{queue, queue + deadSuffix}, nil)
		_ = conn.Close()
	})
	body := bytes.Repeat([]byte("x"), benchBody)
	for i := range b.N {
		p := amqp091.Publishing{Body: body, MessageId: "m"}
		if keys > 0 {
			p.Headers = amqp091.Table{async.HeaderKey: "k" + strconv.Itoa(i%keys)}
		}
		if err := ch.PublishWithContext(b.Context(), "", queue, false, false, p); err != nil {
			b.Fatal(err)
		}
	}
	for end := time.Now().Add(time.Minute); ; wait(b.Context(), 10*time.Millisecond) {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		if err != nil {
			b.Fatal(err)
		}
		if q.Messages == b.N {
			return url, queue
		}
		if time.Now().After(end) {
			b.Fatalf("%d of %d messages arrived", q.Messages, b.N)
		}
	}
}

func BenchmarkRealConsume(b *testing.B) {
	b.Run("raw, acknowledging a hundred at a time", func(b *testing.B) {
		url, queue := benchQueue(b, 0)
		benchRaw(b, url, queue)
	})
	for name, bench := range map[string]struct {
		keys        int
		concurrency int
	}{
		"patron, no key":              {0, 1},
		"patron, 100 keys":            {100, 1},
		"patron, 100 keys, 4 workers": {100, 4},
	} {
		b.Run(name, func(b *testing.B) {
			url, queue := benchQueue(b, bench.keys)
			benchEngine(b, url, queue, bench.concurrency)
		})
	}
	b.Run("raw, 100 keys", func(b *testing.B) {
		url, queue := benchQueue(b, 100)
		benchRaw(b, url, queue)
	})
}

func benchRaw(b *testing.B, url, queue string) {
	b.Helper()
	conn, err := amqp091.Dial(url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		b.Fatal(err)
	}
	if err := ch.Qos(benchPrefetch, 0, false); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	deliveries, err := ch.ConsumeWithContext(b.Context(), queue, "", false, false, false, false, nil)
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for d := range deliveries {
		if n++; n%100 == 0 || n == b.N {
			if err := ch.Ack(d.DeliveryTag, true); err != nil {
				b.Fatal(err)
			}
		}
		if n == b.N {
			break
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

func benchEngine(b *testing.B, url, queue string, concurrency int) {
	b.Helper()
	cf, err := New(url, queue)
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	done := make(chan struct{})
	c, err := async.New("bench", cf, func(context.Context, *async.Message) error {
		if n.Add(1) == int64(b.N) {
			close(done)
		}
		return nil
	}, async.WithMaxHeld(benchPrefetch), async.WithConcurrency(concurrency))
	if err != nil {
		b.Fatal(err)
	}
	base := trace.WithTelemetry(b.Context(), trace.NewTelemetry(nil, nil, metric.NewRegistry()))
	base = plog.WithContext(base, plog.New(plog.JSON(io.Discard, nil)))
	ctx, cancel := context.WithCancel(component.WithGrace(base, 10*time.Second, nil))
	defer cancel()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	<-done
	b.StopTimer()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
