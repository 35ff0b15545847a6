package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	"github.com/twmb/franz-go/pkg/kerr"
)

// effects are what handlers did, in their order.
type effects struct {
	mu    sync.Mutex
	order map[string][]int // numbers of a key, first effects only
	seen  map[string]int
	total int
}

func newEffects() *effects {
	return &effects{order: make(map[string][]int), seen: make(map[string]int)}
}

func (e *effects) handle(_ context.Context, m *async.Message) error {
	n, err := strconv.Atoi(string(m.Data))
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.total++
	if e.seen[m.ID]++; e.seen[m.ID] == 1 {
		e.order[string(m.Key)] = append(e.order[string(m.Key)], n)
	}
	return nil
}

func (e *effects) count() (different, all int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.seen), e.total
}

// observed returns a context with telemetry and a log of its own.
func observed(log *bytes.Buffer, level slog.Level) context.Context {
	ctx := trace.WithTelemetry(context.Background(), trace.NewTelemetry(nil, nil, metric.NewRegistry()))
	handler := slog.NewTextHandler(&lockedWriter{b: log}, &slog.HandlerOptions{Level: level})
	return plog.WithContext(ctx, plog.New(plog.NewHandler(handler, plog.NewLevelVar(plog.DebugLevel))))
}

type lockedWriter struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

// runs is a component that runs.
type runs struct {
	c      *async.Component
	cancel context.CancelFunc
	done   chan error
}

func start(t *testing.T, ctx context.Context, cf async.ConsumerFactory, proc async.ProcessorFunc, oo ...async.OptionFunc) *runs {
	t.Helper()
	c, err := async.New("test", cf, proc, oo...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(component.WithGrace(ctx, 10*time.Second, nil))
	r := &runs{c: c, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- c.Run(ctx) }()
	return r
}

func (r *runs) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("Run: not back 30 s after the stop")
	}
}

func eventually(t *testing.T, what string, within time.Duration, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

// mostStill is how long the lowest committed offset of a group may stand still while members come and go.
const mostStill = 10 * time.Second

// offsets returns what the group has committed of each partition that has messages, and whether that is all of it.
func (h *harness) offsets(ctx context.Context) (lowest int64, all bool, err error) {
	ends, err := h.admin.ListEndOffsets(ctx, h.topic)
	if err != nil {
		return 0, false, err
	}
	committed, err := h.admin.FetchOffsetsForTopics(ctx, h.group, h.topic)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has joined it yet
		return 0, false, err
	}
	lowest, all = math.MaxInt64, true
	for number, end := range ends[h.topic] {
		if end.Offset == 0 {
			continue // no key is there
		}
		at := int64(0)
		if o, ok := committed.Lookup(h.topic, number); ok {
			at = max(at, o.At)
		}
		lowest, all = min(lowest, at), all && at == end.Offset
	}
	return lowest, all, nil
}

// still watches the lowest committed offset until a time, and returns how long it stood still at most.
func (h *harness) still(ctx context.Context, until time.Time) time.Duration {
	longest, last, since := time.Duration(0), int64(0), time.Now()
	for time.Now().Before(until) {
		lowest, _, err := h.offsets(ctx)
		switch {
		case err != nil:
			h.tb.Errorf("committed offsets: %v", err)
			return longest
		case lowest != math.MaxInt64 && lowest > last:
			last, since = lowest, time.Now()
		}
		longest = max(longest, time.Since(since))
		time.Sleep(100 * time.Millisecond)
	}
	return longest
}

// storm lets members come and go while messages are sent, and checks that nothing is lost, nothing overtaken, and that the group goes on all the while.
func storm(t *testing.T, h *harness, lasts, every time.Duration) {
	t.Helper()
	const keys = 8
	var log bytes.Buffer
	ctx := observed(&log, slog.LevelDebug)
	defer func() {
		if t.Failed() {
			name := fmt.Sprintf("%s/%s.log", os.TempDir(), "storm")
			_ = os.WriteFile(name, log.Bytes(), 0o600)
			t.Logf("log: %s", name)
		}
	}()
	e := newEffects()
	slow := func(ctx context.Context, m *async.Message) error {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		return e.handle(ctx, m)
	}
	member := func() *runs { return start(t, ctx, h.Factory(), slow, async.WithConcurrency(4), async.WithMaxHeld(16)) }
	sent := make([]int, keys)
	p := h.Producer()
	end := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-end:
				return
			default:
			}
			k := n % keys
			m := &async.Message{ID: fmt.Sprintf("%d-%d", k, sent[k]), Key: []byte("k" + strconv.Itoa(k)), Data: []byte(strconv.Itoa(sent[k]))}
			if err := p.Send(ctx, m); err != nil {
				t.Errorf("send: %v", err)
				return
			}
			sent[k]++
			time.Sleep(time.Millisecond)
		}
	})

	steady := member()
	eventually(t, "the group is at work", time.Minute, func() bool {
		lowest, _, err := h.offsets(ctx)
		return err == nil && lowest > 0 && lowest != math.MaxInt64
	})
	over := time.Now().Add(lasts)
	longest := make(chan time.Duration, 1)
	go func() { longest <- h.still(ctx, over) }()
	var guests []*runs
	for i := 0; time.Now().Before(over); i++ {
		if i%3 < 2 {
			guests = append(guests, member())
		} else {
			for _, g := range guests {
				g.stop(t)
			}
			guests = nil
		}
		time.Sleep(every)
	}
	close(end)
	sending.Wait()
	total := 0
	for _, n := range sent {
		total += n
	}
	for _, g := range guests {
		g.stop(t)
	}
	eventually(t, "all messages are processed", 30*time.Second, func() bool { n, _ := e.count(); return n == total })
	steady.stop(t)
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	if _, all, err := h.offsets(ctx); err != nil || !all {
		t.Errorf("at the end all is committed: %t, %v", all, err)
	}
	stood := <-longest
	if stood > mostStill {
		t.Errorf("the lowest committed offset stood still for %v, want at most %v", stood, mostStill)
	}
	h.Close()
	e.mu.Lock()
	for k := range keys {
		if got := len(e.order["k"+strconv.Itoa(k)]); got != sent[k] {
			t.Errorf("key k%d: %d effects, want %d", k, got, sent[k])
		}
	}
	e.mu.Unlock()
	order(t, e)
	_, all := e.count()
	t.Logf("%d messages, %d handled, %d more than once; the lowest committed offset stood still for %v at most", total, all, all-total, stood)
}

func order(t *testing.T, e *effects) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, numbers := range e.order {
		for i := 1; i < len(numbers); i++ {
			if numbers[i] < numbers[i-1] {
				t.Errorf("key %s: %d came after %d", key, numbers[i], numbers[i-1])
			}
		}
	}
}

func TestMembersThatComeAndGoLoseAndOvertakeNothing(t *testing.T) {
	t.Parallel()
	for name, s := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storm(t, s.onFake(t).harness, 4*time.Second, 300*time.Millisecond)
		})
	}
}
