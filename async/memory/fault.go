package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/async"
)

// Op is what a [Fault] befalls.
type Op uint8

// The operations. Those that end in One count each message of a call by itself.
const (
	OpCreate     Op = iota + 1 // Create of a consumer
	OpReceive                  // Receive
	OpSettle                   // Settle as a whole: the connection
	OpSettleOne                // each settlement
	OpDeadLetter               // each write of a dead letter
	OpExtend                   // each extension
	OpClose                    // Close of a consumer, which is closed all the same
	OpSend                     // Send as a whole
	OpSendOne                  // each message of a Send
)

// String returns the name in lower case.
func (o Op) String() string {
	switch o {
	case OpCreate:
		return "create"
	case OpReceive:
		return "receive"
	case OpSettle:
		return "settle"
	case OpSettleOne:
		return "settle one"
	case OpDeadLetter:
		return "dead letter"
	case OpExtend:
		return "extend"
	case OpClose:
		return "close"
	case OpSend:
		return "send"
	case OpSendOne:
		return "send one"
	default:
		return "unknown operation"
	}
}

// Fault is something that goes wrong, at calls that are counted, so that a test fails the same way each time. The zero value of each field but Op means
// that it does not narrow the fault down.
//
//	{Op: OpCreate, Times: 3, Err: err}                   the next three attempts to connect fail
//	{Op: OpSettleOne, Every: 10, Err: err}               one of ten settlements fails, until Heal
//	{Op: OpSettle, Times: 1, Err: err, Unheard: true}    a batch is settled, but the answer is lost
//	{Op: OpReceive, After: 5, Delay: time.Second}        from the sixth on each Receive is slow
type Fault struct {
	Op      Op
	Queue   string        // of one queue only
	After   int           // as many calls pass first
	Every   int           // of those that follow, the fault befalls each Every-th
	Times   int           // it happens so often; 0: until [Broker.Heal]
	Delay   time.Duration // the call takes so much longer, or until its context ends
	Err     error         // the call fails with it; nil needs a Delay
	Unheard bool          // the call is carried out and fails all the same
}

func (f *Fault) check() error {
	var errs []error
	if f.Op < OpCreate || f.Op > OpSendOne {
		errs = append(errs, fmt.Errorf("operation %d: want one of the constants", f.Op))
	}
	if f.After < 0 || f.Every < 0 || f.Times < 0 || f.Delay < 0 {
		errs = append(errs, errors.New("after, every, times and delay: want at least 0"))
	}
	if f.Err == nil && f.Delay == 0 {
		errs = append(errs, errors.New("want an error or a delay"))
	}
	if f.Unheard && f.Op != OpSettle && f.Op != OpSettleOne && f.Op != OpSend {
		errs = append(errs, fmt.Errorf("unheard: has no meaning for %s", f.Op))
	}
	return errors.Join(errs...)
}

// Inject adds faults to those that are there. It returns what is wrong with them, and then adds none. The faults of one call happen in the order in which they
// were added: the delays add up, and the first error counts.
func (b *Broker) Inject(ff ...Fault) error {
	var errs []error
	for i := range ff {
		if err := ff[i].check(); err != nil {
			errs = append(errs, fmt.Errorf("memory: fault %d: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	b.faults.mu.Lock()
	defer b.faults.mu.Unlock()
	for _, f := range ff {
		b.faults.scripts = append(b.faults.scripts, &script{Fault: f})
	}
	b.faults.armed.Store(len(b.faults.scripts) > 0)
	return nil
}

// Heal removes all faults. It does not bring the broker [Broker.Up].
func (b *Broker) Heal() {
	b.faults.mu.Lock()
	defer b.faults.mu.Unlock()
	b.faults.scripts = nil
	b.faults.armed.Store(false)
}

// faults are those of a broker. Without any they cost one atomic load.
type faults struct {
	armed   atomic.Bool
	mu      sync.Mutex // guards scripts
	scripts []*script
}

// script is a fault and how far it has come.
type script struct {
	Fault
	calls, hits int
}

// befalls reports whether the fault happens to the call.
func (s *script) befalls(op Op, queue string) bool {
	if s.Op != op || s.Queue != "" && s.Queue != queue {
		return false
	}
	s.calls++
	n := s.calls - s.After
	if n <= 0 || s.Every > 1 && n%s.Every != 0 || s.Times > 0 && s.hits == s.Times {
		return false
	}
	s.hits++
	return true
}

// strike lets the faults of a call happen. unheard says that the call is to be carried out before its error is returned.
func (f *faults) strike(ctx context.Context, op Op, queue string) (unheard bool, err error) {
	if !f.armed.Load() {
		return false, nil
	}
	var delay time.Duration
	f.mu.Lock()
	for _, s := range f.scripts {
		if !s.befalls(op, queue) {
			continue
		}
		delay += s.Delay
		if err == nil {
			unheard, err = s.Unheard, s.Err
		}
	}
	f.mu.Unlock()
	pause(ctx, delay)
	return unheard, err
}

// strikeOne is what befalls one settlement: before it is carried out, or after.
type strikeOne struct{ before, after error }

// strikes are those of a batch; nil: there are none.
type strikes []strikeOne

func (s strikes) at(i int) strikeOne {
	if s == nil {
		return strikeOne{}
	}
	return s[i]
}

// strikes lets the faults of each settlement happen.
func (f *faults) strikes(ctx context.Context, queue string, ss []async.Settlement) strikes {
	if !f.armed.Load() {
		return nil
	}
	hits := make(strikes, len(ss))
	for i := range ss {
		unheard, err := f.strike(ctx, OpSettleOne, queue)
		if unheard {
			hits[i].after = err
		} else {
			hits[i].before = err
		}
		if ss[i].Verdict != async.Reject {
			continue
		}
		if _, err := f.strike(ctx, OpDeadLetter, queue); hits[i].before == nil && err != nil {
			hits[i].before = fmt.Errorf("dead letter: %w", err)
		}
	}
	return hits
}

// passed returns those of mm that no fault refuses: mm itself, if there are no faults. A nil message is an error.
func (f *faults) passed(ctx context.Context, queue string, mm []*async.Message) ([]*async.Message, *async.BatchError, error) {
	if i := slices.Index(mm, nil); i >= 0 {
		return nil, nil, fmt.Errorf("message %d is nil", i)
	}
	if !f.armed.Load() {
		return mm, nil, nil
	}
	kept := make([]*async.Message, 0, len(mm))
	refused := &async.BatchError{}
	for i, m := range mm {
		if _, err := f.strike(ctx, OpSendOne, queue); err != nil {
			refused = refused.Add(i, err)
		} else {
			kept = append(kept, m)
		}
	}
	return kept, refused, nil
}

// pause blocks for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
