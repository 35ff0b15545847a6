package memory_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/reliability"
	"github.com/beatlabs/patron/trace"
)

// TestTheEngineLosesNothingWhateverTheBrokerDoes runs random histories of faults, outages, lost and revoked claims, failing handlers, and services that
// stop and come back, in virtual time. In the end every message was processed or is dead, and first effects of a key are in order.
func TestTheEngineLosesNothingWhateverTheBrokerDoes(t *testing.T) {
	t.Parallel()
	histories := 300
	if testing.Short() {
		histories = 30
	}
	for seed := range uint64(histories) {
		synctest.Test(t, func(t *testing.T) { newHistory(t, seed).run() })
		if t.Failed() {
			t.Fatalf("history of seed %d", seed)
		}
	}
}

type history struct {
	t      *testing.T
	r      *rand.Rand
	broker *memory.Broker
	ctx    context.Context

	mu      sync.Mutex // guards everything below
	rh      *rand.Rand // of handlers
	sent    map[string][]string
	effects map[string][]string
	done    map[string]bool
	calm    bool // handlers succeed
	journal []string
}

func (h *history) notef(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.journal = append(h.journal, fmt.Sprintf("%9v ", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))+fmt.Sprintf(format, args...))
}

func newHistory(t *testing.T, seed uint64) *history {
	t.Helper()
	h := &history{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), rh: rand.New(rand.NewPCG(seed, 2)),
		sent: make(map[string][]string), effects: make(map[string][]string), done: make(map[string]bool),
	}
	oo := []memory.OptionFunc{memory.WithPerKey(1 + h.r.IntN(5))}
	switch h.r.IntN(3) {
	case 0:
		oo = append(oo, memory.WithClaims())
	case 1:
		oo = append(oo, memory.WithVisibility(10*time.Second))
	}
	if h.r.IntN(2) == 0 {
		oo = append(oo, memory.WithoutDrain())
	}
	h.broker = newBroker(t, oo...)
	h.ctx = trace.WithTelemetry(t.Context(), trace.NewTelemetry(nil, nil, metric.NewRegistry()))
	h.ctx = plog.WithContext(h.ctx, plog.New(plog.JSON(io.Discard, nil)))
	return h
}

func (h *history) handle(ctx context.Context, m *async.Message) (err error) {
	h.notef("%p %s starts: attempt %d, delivery %d", m.Source, m.ID, m.Attempt, m.Deliveries)
	defer func() { h.notef("%p %s ends: %v, context %v", m.Source, m.ID, err, context.Cause(ctx)) }()
	if time.Now().Before(m.Due) {
		h.t.Errorf("message %s was given %v before it was due", m.ID, time.Until(m.Due))
	}
	h.mu.Lock()
	dice, slow := h.rh.IntN(20), time.Duration(h.rh.IntN(50))*time.Millisecond
	if h.calm {
		dice = 10
	}
	h.mu.Unlock()
	timer := time.NewTimer(slow)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		if dice > 2 {
			return ctx.Err()
		}
		// A handler that finishes all the same: its effect happens, too late.
	}
	switch dice {
	case 0:
		panic("a bug")
	case 1, 2, 3:
		return errBroken
	case 4:
		return reliability.Permanent(errBroken)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.done[m.ID] {
		h.done[m.ID] = true
		h.effects[string(m.Key)] = append(h.effects[string(m.Key)], m.ID)
	}
	return nil
}

// serve runs a service for a while.
func (h *history) serve(wg *sync.WaitGroup) (stop func()) {
	c, err := async.New("history", h.broker.Consumer(queue), h.handle, async.WithConcurrency(1+h.r.IntN(4)), async.WithMaxHeld(4+h.r.IntN(30)),
		async.WithTries(1+h.r.IntN(3)), async.WithBackoff(time.Millisecond, 100*time.Millisecond))
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(component.WithGrace(h.ctx, time.Duration(h.r.IntN(200))*time.Millisecond, nil))
	wg.Go(func() { _ = c.Run(ctx) })
	return cancel
}

func (h *history) send() {
	key := "k" + strconv.Itoa(h.r.IntN(4))
	h.mu.Lock()
	defer h.mu.Unlock()
	id := fmt.Sprintf("%s-%d", key, len(h.sent[key]))
	err := h.broker.Producer(queue).Send(h.ctx, &async.Message{ID: id, Key: []byte(key)})
	if err == nil {
		h.sent[key] = append(h.sent[key], id)
	} else if !errors.Is(err, async.ErrClosed) && !errors.Is(err, memory.ErrDown) {
		h.t.Fatal(err)
	}
}

// odd is the key of messages that are out of order: those that are due later, expire, or are replayed.
const odd = "odd"

func (h *history) sendOdd() {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := &async.Message{ID: fmt.Sprintf("%s-%d", odd, len(h.sent[odd])), Key: []byte(odd), Due: time.Now().Add(time.Duration(h.r.IntN(500)) * time.Millisecond)}
	if h.r.IntN(2) == 0 {
		m.Expires = m.Due.Add(time.Duration(1+h.r.IntN(500)) * time.Millisecond)
	}
	if err := h.broker.Producer(queue).Send(h.ctx, m); err == nil {
		h.sent[odd] = append(h.sent[odd], m.ID)
	} else if !errors.Is(err, async.ErrClosed) && !errors.Is(err, memory.ErrDown) {
		h.t.Fatal(err)
	}
}

// replay sends dead letters again, some of it while a service processes them.
func (h *history) replay() {
	_, err := async.Replay(h.ctx, h.broker.Dead(queue), h.broker.Producer(queue), async.ReplayFilter(async.DeadFilter{Key: []byte(odd)}), async.ReplayRate(100))
	if err != nil && !errors.Is(err, async.ErrClosed) && !errors.Is(err, memory.ErrDown) {
		h.t.Errorf("replay: %v", err)
	}
}

func (h *history) inject(f memory.Fault) {
	f.Err, f.Times = errBroken, 1+h.r.IntN(3)
	if err := h.broker.Inject(f); err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) run() {
	var wg sync.WaitGroup
	stops := []func(){h.serve(&wg)}
	for range 200 {
		event := h.r.IntN(30)
		if event < 10 {
			h.notef("event %d", event)
		}
		switch event {
		case 0:
			h.inject(memory.Fault{Op: memory.OpSettle, Unheard: h.r.IntN(2) == 0})
		case 1:
			h.inject(memory.Fault{Op: memory.OpSettleOne, Unheard: h.r.IntN(2) == 0})
		case 2:
			h.inject(memory.Fault{Op: memory.OpReceive})
		case 3:
			h.inject(memory.Fault{Op: memory.OpDeadLetter})
		case 4:
			h.inject(memory.Fault{Op: memory.OpExtend})
		case 5:
			h.broker.Down()
			time.Sleep(time.Duration(h.r.IntN(3000)) * time.Millisecond)
			h.broker.Up()
		case 6:
			h.broker.Lose(queue, nil)
		case 7:
			ctx, cancel := context.WithTimeout(h.ctx, time.Duration(h.r.IntN(40))*time.Millisecond)
			h.broker.Revoke(ctx, queue)
			cancel()
		case 8:
			stops[0]()
			stops = append(stops[1:], h.serve(&wg))
		case 9:
			if len(stops) < 3 {
				stops = append(stops, h.serve(&wg))
			}
		case 13, 14:
			h.sendOdd()
		case 15:
			h.replay()
		case 10, 11, 12:
			time.Sleep(time.Duration(h.r.IntN(100)) * time.Millisecond)
		default:
			h.send()
		}
	}
	for _, stop := range stops {
		stop()
	}
	wg.Wait()

	h.broker.Heal()
	h.mu.Lock()
	h.calm = true
	h.mu.Unlock()
	stop := h.serve(&wg)
	for deadline := time.Now().Add(time.Hour); h.broker.Len(queue) > 0; time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			h.t.Fatalf("%d messages are left, %d of them held", h.broker.Len(queue), h.broker.Held(queue))
		}
	}
	stop()
	wg.Wait()
	h.check()
	if h.t.Failed() {
		h.t.Log(strings.Join(h.journal, "\n"))
	}
}

func (h *history) check() {
	dead := make(map[string]bool)
	for _, m := range h.broker.DeadLetters(queue) {
		dead[m.ID] = true
	}
	for key, ids := range h.sent {
		var wanted []string
		for _, id := range ids {
			if !h.done[id] && !dead[id] {
				h.t.Errorf("message %s was lost", id)
			}
			if h.done[id] {
				wanted = append(wanted, id)
			}
		}
		if key != odd && !slices.Equal(h.effects[key], wanted) {
			h.t.Errorf("key %s: first effects %v, want %v", key, h.effects[key], wanted)
		}
	}
}
