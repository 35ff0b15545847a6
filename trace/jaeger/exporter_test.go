package jaeger

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// named returns n spans called 0, 1, 2, … of one service, with the attributes.
func named(n int, attrs ...attribute.KeyValue) []sdktrace.ReadOnlySpan {
	res := resource.NewSchemaless(attribute.String("service.name", "orders"))
	stubs := make(tracetest.SpanStubs, 0, n)
	for i := range n {
		stubs = append(stubs, tracetest.SpanStub{Name: itoa(i), Resource: res, Attributes: attrs})
	}
	return stubs.Snapshots()
}

func namesOf(spans []wireSpan) []string {
	var out []string
	for _, s := range spans {
		out = append(out, s.Name)
	}
	return out
}

func TestNewExporterSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()

	_, err := NewExporter("", 70000, WithMaxPacketSize(100), nil)

	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"host is empty", "port 70000: want 1 to 65535", "packet size 100: want 512 to 65507 bytes", "option 1 is nil"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to contain %q", err, want)
		}
	}
}

func TestNewExporterOpensNothing(t *testing.T) {
	t.Parallel()
	e, err := NewExporter("agent.invalid", 6831)
	if err != nil {
		t.Fatal(err)
	}
	var dials int
	e.agent.dial = func(context.Context, string, string) (net.Conn, error) {
		dials++
		return nil, errors.New("no such host")
	}

	if err := e.ExportSpans(t.Context(), nil); err != nil || dials != 0 {
		t.Errorf("nothing to send: got %v and %d dials, want none", err, dials)
	}
	err = e.ExportSpans(t.Context(), named(3))

	if want := "jaeger agent agent.invalid:6831: 3 spans lost: no such host"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
	if dials != 1 || e.Dropped() != 3 {
		t.Errorf("got %d dials and %d dropped, want 1 and 3", dials, e.Dropped())
	}
}

func TestSpansAreSplitBelowThePacketLimit(t *testing.T) {
	t.Parallel()
	const limit = 8000
	a := listen(t, 0)
	e := newExporter(t, a.port(), WithMaxPacketSize(limit))
	paced(t, e, a)
	spans := named(1000, attribute.String("text", strings.Repeat("x", 1100)))

	if err := e.ExportSpans(t.Context(), spans); err != nil {
		t.Fatal(err)
	}

	var got []string
	packets := len(a.packets)
	for range packets {
		p := <-a.packets
		if len(p) > limit {
			t.Errorf("got a packet of %d bytes, want at most %d", len(p), limit)
		}
		b := mustDecode(t, p)
		if b.Service != "orders" {
			t.Errorf("service: got %q, want %q", b.Service, "orders")
		}
		got = append(got, namesOf(b.Spans)...)
	}
	if len(got) != 1000 || got[0] != "0" || got[999] != "999" {
		t.Errorf("got %d spans, want 1000 in order", len(got))
	}
	if want := 1000/6 + 1; packets > want {
		t.Errorf("got %d packets, want at most %d: 6 spans fit into one", packets, want)
	}
	if e.Dropped() != 0 {
		t.Errorf("dropped: got %d, want 0", e.Dropped())
	}
}

func TestPacketsAreFilledToTheLastByte(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int{"smallest": minPacketSize, "default": DefaultMaxPacketSize, "largest": maxPacketSize} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var largest int
			for size := limit - 400; size < limit; size++ {
				p := packet{limit: limit}
				p.begin(nil)
				if p.add(named(1, attribute.String("k", strings.Repeat("x", size)))[0]) {
					largest = len(p.seal())
				}
			}
			if largest > limit || largest < limit-maxListHeader {
				t.Errorf("the largest packet of one span: got %d bytes, want %d or up to %d less", largest, limit, maxListHeader)
			}
		})
	}
}

func TestSpanLargerThanAPacketIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	a := listen(t, 0)
	e := newExporter(t, a.port(), WithMaxPacketSize(1000))
	spans := named(4)
	spans[2] = named(1, attribute.String("text", strings.Repeat("x", 20_000)))[0]

	err := e.ExportSpans(t.Context(), spans)

	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "1 spans lost: span larger than a packet of 1000 bytes") {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if diff := cmp.Diff([]string{"0", "1", "3"}, namesOf(a.spans(t, 3))); diff != "" {
		t.Errorf("the others (-want +got):\n%s", diff)
	}
	if got := e.Drops()[DropTooLarge](); got != 1 {
		t.Errorf("too large: got %d, want 1", got)
	}
	if got := e.Drops()[DropSendFailed](); got != 0 {
		t.Errorf("send failed: got %d, want 0", got)
	}
	if got := cap(e.packet.enc.buf); got > 4*1000+200 {
		t.Errorf("the buffer keeps %d bytes for packets of 1000", got)
	}
}

func TestProcessLargerThanAPacketLosesItsSpansOnly(t *testing.T) {
	t.Parallel()
	a := listen(t, 0)
	e := newExporter(t, a.port(), WithMaxPacketSize(1000))
	huge := tracetest.SpanStub{Resource: resource.NewSchemaless(attribute.String("k", strings.Repeat("x", 2000)))}.Snapshot()

	err := e.ExportSpans(t.Context(), append([]sdktrace.ReadOnlySpan{huge}, named(1)...))

	if !errors.Is(err, ErrTooLarge) || e.Dropped() != 1 {
		t.Errorf("got %v and %d dropped, want ErrTooLarge and 1", err, e.Dropped())
	}
	a.spans(t, 1)
}

func TestSpansOfTwoServicesTravelInTwoPackets(t *testing.T) {
	t.Parallel()
	a := listen(t, 0)
	e := newExporter(t, a.port())
	other := tracetest.SpanStub{Name: "other", Resource: resource.NewSchemaless(attribute.String("service.name", "stock"))}.Snapshot()

	if err := e.ExportSpans(t.Context(), append(named(2), other)); err != nil {
		t.Fatal(err)
	}

	first, second := a.next(t), a.next(t)
	if first.Service != "orders" || len(first.Spans) != 2 || second.Service != "stock" || len(second.Spans) != 1 {
		t.Errorf("got %d spans of %q and %d of %q, want 2 of orders and 1 of stock", len(first.Spans), first.Service, len(second.Spans), second.Service)
	}
}

func TestAbsentAgentNeitherBlocksNorHidesALoss(t *testing.T) {
	t.Parallel()
	e := newExporter(t, unusedPort(t))

	for range 5 {
		_ = e.ExportSpans(t.Context(), named(7)) // the refusal of one is known with the next
	}
	err := e.Shutdown(t.Context())

	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the last refusal: got %v, want connection refused", err)
	}
	if got := e.Drops()[DropSendFailed](); got != 35 {
		t.Errorf("send failed: got %d, want 35", got)
	}
}

func TestAgentThatComesBackIsFound(t *testing.T) {
	t.Parallel()
	first := listen(t, 0)
	port := first.port()
	e := newExporter(t, port)
	if err := e.ExportSpans(t.Context(), named(1)); err != nil {
		t.Fatal(err)
	}
	first.spans(t, 1)

	first.close()
	if err := e.ExportSpans(t.Context(), named(2)); err != nil {
		t.Errorf("the first packet to a dead agent leaves without an error: got %v", err)
	}
	second := listen(t, port)
	err := e.ExportSpans(t.Context(), named(3))

	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "2 spans lost") {
		t.Errorf("got %v, want the refusal of the 2 spans before", err)
	}
	if diff := cmp.Diff([]string{"0", "1", "2"}, namesOf(second.spans(t, 3))); diff != "" {
		t.Errorf("spans after the return (-want +got):\n%s", diff)
	}
	if err := e.ExportSpans(t.Context(), named(1)); err != nil {
		t.Errorf("once it is back: got %v", err)
	}
	if e.Dropped() != 2 {
		t.Errorf("dropped: got %d, want 2", e.Dropped())
	}
}

func TestErrorOfTheSocketDropsThePacketAndOpensANewSocket(t *testing.T) {
	t.Parallel()
	e, err := NewExporter("127.0.0.1", 6831)
	if err != nil {
		t.Fatal(err)
	}
	var dials, writes atomic.Int64
	e.agent.dial = func(context.Context, string, string) (net.Conn, error) {
		if dials.Add(1) == 1 {
			return countingConn{writes: &writes, err: syscall.ENETUNREACH}, nil
		}
		return countingConn{writes: &writes}, nil
	}

	failed := e.ExportSpans(t.Context(), named(4))
	worked := e.ExportSpans(t.Context(), named(1))

	if !errors.Is(failed, syscall.ENETUNREACH) || worked != nil {
		t.Errorf("got %v, then %v, want network unreachable, then nil", failed, worked)
	}
	if dials.Load() != 2 || writes.Load() != 2 || e.Dropped() != 4 {
		t.Errorf("got %d dials, %d writes, %d dropped, want 2, 2, 4", dials.Load(), writes.Load(), e.Dropped())
	}
}

func TestNameIsResolvedAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		host string
		want int64
	}{
		"a name, every 30 s": {"agent.example", 3},
		"an address, once":   {"192.0.2.1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, err := NewExporter(tc.host, 6831)
				if err != nil {
					t.Fatal(err)
				}
				var dials, writes atomic.Int64
				e.agent.dial = func(context.Context, string, string) (net.Conn, error) {
					if dials.Add(1) == 2 {
						return nil, errors.New("no answer from the name server")
					}
					return countingConn{writes: &writes}, nil
				}

				for range 61 { // 0 s to 60 s
					if err := e.ExportSpans(t.Context(), named(1)); err != nil {
						t.Errorf("got %v, want the old address to stay in use", err)
					}
					time.Sleep(time.Second)
				}

				if dials.Load() != tc.want || writes.Load() != 61 {
					t.Errorf("got %d dials and %d writes, want %d and 61", dials.Load(), writes.Load(), tc.want)
				}
			})
		})
	}
}

func TestExportIsBoundedByItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, err := NewExporter("agent.example", 6831)
		if err != nil {
			t.Fatal(err)
		}
		e.agent.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		var wg sync.WaitGroup
		for _, limit := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second} {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				start := time.Now()
				err := e.ExportSpans(ctx, named(10))
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != limit {
					t.Errorf("got %v after %v, want deadline exceeded after %v", err, time.Since(start), limit)
				}
			})
		}
		wg.Wait()
		if e.Dropped() != 30 {
			t.Errorf("dropped: got %d, want 30", e.Dropped())
		}
	})
}

func TestConcurrentExports(t *testing.T) {
	t.Parallel()
	a := listen(t, 0)
	e := newExporter(t, a.port())
	paced(t, e, a)

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if err := e.ExportSpans(t.Context(), named(5)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()

	counts := map[string]int{}
	for _, s := range a.spans(t, 400) {
		counts[s.Name]++
	}
	if diff := cmp.Diff(map[string]int{"0": 80, "1": 80, "2": 80, "3": 80, "4": 80}, counts); diff != "" {
		t.Errorf("spans by name (-want +got):\n%s", diff)
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	a := listen(t, 0)
	e := newExporter(t, a.port())
	if err := e.ExportSpans(t.Context(), named(1)); err != nil {
		t.Fatal(err)
	}

	first, second := e.Shutdown(t.Context()), e.Shutdown(t.Context())
	after := e.ExportSpans(t.Context(), named(2))

	if first != nil || second != nil {
		t.Errorf("Shutdown: got %v, then %v, want nil twice", first, second)
	}
	if !errors.Is(after, ErrShutdown) || e.Dropped() != 2 {
		t.Errorf("afterwards: got %v and %d dropped, want ErrShutdown and 2", after, e.Dropped())
	}
	if e.agent.conn != nil {
		t.Error("the socket is still open")
	}
}

func TestShutdownIsBoundedByItsContext(t *testing.T) {
	t.Parallel()
	e, err := NewExporter("127.0.0.1", 6831)
	if err != nil {
		t.Fatal(err)
	}
	<-e.turn // an export that runs
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)

	if err := e.Shutdown(ctx); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
}

func TestExporterIsCalledJaeger(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprint(newExporter(t, 6831)); got != "jaeger" {
		t.Errorf("got %q, want %q", got, "jaeger")
	}
}
