package async

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/reliability"
)

// ReplayOption sets one option of [Replay]. It checks its value.
type ReplayOption func(*replay) error

type replay struct {
	filter DeadFilter
	every  time.Duration // between two messages
	limit  int64         // 0: none
	dry    bool
	result ReplayResult
	errs   []error
}

// ReplayResult counts what a [Replay] did.
type ReplayResult struct {
	Matched int64 // letters that were chosen, not above the limit
	Sent    int64 // of those, how many the broker has confirmed
	Removed int64 // of those, how many were taken off the dead letters: what was sent and is not removed is sent again by the next replay
	Refused int64 // letters whose message cannot be sent, for good: they stay
}

// ReplayFilter chooses what is replayed. Without it that is everything.
func ReplayFilter(f DeadFilter) ReplayOption {
	return func(r *replay) error {
		r.filter = f
		return nil
	}
}

// ReplayRate sets how many messages a second are sent at most, so that what is replayed does not crowd out what is new. Without it they are sent one after
// another.
func ReplayRate(perSecond float64) ReplayOption {
	return func(r *replay) error {
		if math.IsNaN(perSecond) || perSecond <= 0 || perSecond > float64(time.Second) {
			return fmt.Errorf("rate %v: want above 0 messages a second", perSecond)
		}
		r.every = time.Duration(float64(time.Second) / perSecond)
		return nil
	}
}

// ReplayLimit sets how many letters are replayed at most. Without it there is no limit.
func ReplayLimit(n int64) ReplayOption {
	return func(r *replay) error {
		if n < 1 {
			return fmt.Errorf("limit %d: want at least 1", n)
		}
		r.limit = n
		return nil
	}
}

// ReplayDryRun only counts what would be replayed.
func ReplayDryRun() ReplayOption {
	return func(r *replay) error {
		r.dry = true
		return nil
	}
}

// mostReplayErrors bounds what the error of a replay lists.
const mostReplayErrors = 10

// Replay sends dead letters again, to where they came from or to any other place, and takes each off when the broker has confirmed it. It blocks until all that
// was there when it began is done or ctx ends.
//
// A message keeps its ID, key, data, time, correlation ID and headers; its attempts begin anew, it neither waits nor expires any more, and what it died of is
// added to its [History]. One without an ID gets one that is the same each time. It comes after what was sent meanwhile: a replay does not restore order.
//
// It may be interrupted at any time, and be run again: what was sent and not yet removed is then sent twice, with the same ID, and nothing is lost. A
// message that the broker refuses for good (reliability.Classify) is counted, stays, and does not hold up the others; any other error ends the replay. The
// error joins the first ten of both.
func Replay(ctx context.Context, from DeadLetters, to Producer, oo ...ReplayOption) (ReplayResult, error) {
	r := &replay{}
	var errs []error
	if from == nil {
		errs = append(errs, errors.New("dead letters are nil"))
	}
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(r))
	}
	if to == nil && !r.dry {
		errs = append(errs, errors.New("producer is nil"))
	}
	err := errors.Join(errs...)
	if err == nil {
		err = r.run(ctx, from, to)
	}
	if err != nil {
		return r.result, fmt.Errorf("async: replay: %w", err)
	}
	return r.result, nil
}

// run replays until there is nothing more, or an error that would befall the next one too.
func (r *replay) run(ctx context.Context, from DeadLetters, to Producer) error {
	next := time.Now()
	for l, err := range from.List(ctx, r.filter) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && !r.dry {
			next, err = r.await(ctx, next)
		}
		if err == nil {
			r.result.Matched++
			if !r.dry {
				err = r.one(ctx, from, to, l)
			}
		}
		if err != nil {
			return errors.Join(append(r.errs, err)...)
		}
		if r.result.Matched == r.limit {
			break
		}
	}
	return errors.Join(r.errs...)
}

// await waits for the turn of the next message, and returns when the one after it may be sent. A slow broker is no reason to hurry later.
func (r *replay) await(ctx context.Context, next time.Time) (time.Time, error) {
	if r.every == 0 {
		return next, nil
	}
	if wait := time.Until(next); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return next, context.Cause(ctx)
		}
		return next.Add(r.every), nil
	}
	return time.Now().Add(r.every), nil
}

// one sends a letter and then takes it off, in this order: what happens in between makes a duplicate, not a loss.
func (r *replay) one(ctx context.Context, from DeadLetters, to Producer, l *DeadLetter) error {
	m, err := l.revive()
	if err == nil {
		err = sendOne(ctx, to, m)
	}
	if err != nil {
		err = fmt.Errorf("message %q: %w", l.Message.ID, err)
		if reliability.Classify(err) != reliability.ClassPermanent {
			return err
		}
		r.result.Refused++
		if len(r.errs) < mostReplayErrors {
			r.errs = append(r.errs, err)
		}
		return nil
	}
	r.result.Sent++
	if err := from.Remove(ctx, l); err != nil {
		return fmt.Errorf("message %q was sent, but its letter could not be removed: %w", m.ID, err)
	}
	r.result.Removed++
	return nil
}

// sendOne sends m in the piece of business that it belongs to.
func sendOne(ctx context.Context, to Producer, m *Message) error {
	if id := m.Headers.Get(correlation.HeaderID); correlation.Valid(id) {
		ctx = correlation.ContextWithID(ctx, id)
	}
	err := to.Send(ctx, m)
	if batch, ok := errors.AsType[*BatchError](err); ok && batch.Errors[0] != nil {
		return batch.Errors[0]
	}
	return err
}

// revive returns the message to send.
func (l *DeadLetter) revive() (*Message, error) {
	m := l.Message.Clone()
	m.Source, m.Raw, m.Attempt, m.Deliveries = nil, nil, 0, 0
	m.Due, m.Expires = time.Time{}, time.Time{}
	unmarkDead(&m.Headers)
	if m.ID == "" {
		m.ID = l.fingerprint()
	}
	if err := l.remember(&m.Headers); err != nil {
		return nil, reliability.Permanent(err)
	}
	return m, nil
}

// fingerprint stands for the ID of a message that has none: the same for each replay of this letter.
func (l *DeadLetter) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00", l.Origin, l.Time.UTC().Format(time.RFC3339Nano), l.Message.Key)
	h.Write(l.Message.Data)
	return "dead-" + hex.EncodeToString(h.Sum(nil)[:16])
}
