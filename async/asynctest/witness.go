package asynctest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
)

// witness sees every start and end of a handler.
type witness struct {
	mu      sync.Mutex // guards everything below
	starts  []start
	effects []effect
	running map[string]string // key → ID of the message that a handler has
	most    int               // handlers at a time
	faults  []string
}

// start is one call of the handler.
type start struct {
	id, key             string
	attempt, deliveries int
	at                  time.Time
}

// effect is a call of the handler that returned nil.
type effect struct {
	id, key string
	at      time.Time
}

func newWitness() *witness { return &witness{running: make(map[string]string)} }

// handler returns a handler that the witness watches and that does what do does; nil does nothing.
func (w *witness) handler(do async.ProcessorFunc) async.ProcessorFunc {
	return func(ctx context.Context, m *async.Message) error {
		w.begin(m)
		done := false
		defer func() {
			if !done {
				w.end(m, false) // it panics
			}
		}()
		var err error
		if do != nil {
			err = do(ctx, m)
		}
		done = true
		w.end(m, err == nil)
		return err
	}
}

func (w *witness) begin(m *async.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := string(m.Key)
	w.starts = append(w.starts, start{id: m.ID, key: key, attempt: m.Attempt, deliveries: m.Deliveries, at: time.Now()})
	if key == "" {
		key = "\x00" + m.ID
	}
	if other, ok := w.running[key]; ok {
		w.faults = append(w.faults, fmt.Sprintf("message %q of key %q started while %q of it ran", m.ID, m.Key, other))
	}
	w.running[key] = m.ID
	w.most = max(w.most, len(w.running))
}

func (w *witness) end(m *async.Message, effective bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := string(m.Key)
	if key == "" {
		key = "\x00" + m.ID
	}
	delete(w.running, key)
	if effective {
		w.effects = append(w.effects, effect{id: m.ID, key: string(m.Key), at: time.Now()})
	}
}

// count returns how many messages had their effect.
func (w *witness) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make(map[string]bool, len(w.effects))
	for _, e := range w.effects {
		seen[e.id] = true
	}
	return len(seen)
}

// begun returns how many handlers were started.
func (w *witness) begun() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.starts)
}

// startsOf returns the starts of one message.
func (w *witness) startsOf(id string) []start {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ss []start
	for _, s := range w.starts {
		if s.id == id {
			ss = append(ss, s)
		}
	}
	return ss
}

// attempts returns the numbers of the attempts at one message, in order.
func (w *witness) attempts(id string) []int {
	var nn []int
	for _, s := range w.startsOf(id) {
		nn = append(nn, s.attempt)
	}
	return nn
}

// effectAt returns when a message had its first effect.
func (w *witness) effectAt(id string) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.effects {
		if e.id == id {
			return e.at
		}
	}
	return time.Time{}
}

// last returns when the last effect was.
func (w *witness) last() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.effects[len(w.effects)-1].at
}

// check fails the case unless exactly the messages with ids had their effect, none of them twice if once is set, and those of a key in the order of ids if
// the source has an order.
func (w *witness) check(s *stage, ids []string, once bool) {
	s.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.faults {
		if s.suite.traits.Ordered != async.OrderedNone {
			s.Error(f)
		}
	}
	want := make(map[string]int, len(ids))
	for i, id := range ids {
		want[id] = i
	}
	times := make(map[string]int, len(ids))
	last := make(map[string]string)
	for _, e := range w.effects {
		at, ok := want[e.id]
		if !ok {
			s.Errorf("message %q was processed, which nobody sent here", e.id)
			continue
		}
		times[e.id]++
		if times[e.id] > 1 {
			continue
		}
		if before, ok := last[e.key]; ok && e.key != "" && s.suite.traits.Ordered != async.OrderedNone && at < want[before] {
			s.Errorf("key %q: message %q was processed after %q", e.key, e.id, before)
		}
		last[e.key] = e.id
	}
	var missing, twice []string
	for _, id := range ids {
		switch n := times[id]; {
		case n == 0:
			missing = append(missing, id)
		case n > 1 && once:
			twice = append(twice, fmt.Sprintf("%s %d times", id, n))
		}
	}
	if len(missing) > 0 {
		s.Errorf("%d of %d messages were not processed: %v", len(missing), len(ids), missing[:min(10, len(missing))])
	}
	if len(twice) > 0 {
		s.Errorf("%d of %d messages were processed more than once: %v", len(twice), len(ids), twice[:min(10, len(twice))])
	}
}

// orderedOr returns ids, or where there is no order those that were processed: then nobody can say which these must be.
func (w *witness) orderedOr(s *stage, ids []string) []string {
	if s.suite.traits.Ordered != async.OrderedNone {
		return ids
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var done []string
	for _, e := range w.effects {
		done = append(done, e.id)
	}
	return done
}

// attemptsAre fails the case unless the attempts at a message had these numbers.
func (w *witness) attemptsAre(s *stage, id string, want ...int) {
	s.Helper()
	if got := w.attempts(id); !slices.Equal(got, want) {
		s.Errorf("attempts at message %q: got %v, want %v", id, got, want)
	}
}
