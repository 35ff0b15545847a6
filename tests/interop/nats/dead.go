package nats

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/nats-io/nats.go/jetstream"
)

// snippet: bury

// deadStream has one letter for each message of the source, however often its rejection is repeated.
func (f *Factory) deadStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{Name: f.dead(), Subjects: []string{f.dead() + ".*"}, MaxMsgsPerSubject: 1}
}

func (f *Factory) dead() string { return f.stream + "_" + f.group + "_dead" }

// bury writes the dead letter of a rejection, and tells of it.
func (f *Factory) bury(ctx context.Context, d *delivery, s *async.Settlement) error {
	letter := s.Message.Clone()
	async.MarkDead(letter, s.Cause, s.Message.Attempt, s.Message.Source, time.Now())
	if _, err := f.js.PublishMsg(ctx, packed(letter, f.dead()+"."+strconv.FormatUint(d.sequence, 10))); err != nil {
		return fmt.Errorf("nats: dead letter to %s: %w", f.dead(), err)
	}
	if s.Written == nil {
		return nil
	}
	return s.Written(ctx)
}

// end snippet

// snippet: letters

// DeadLetters implements async.DeadLetterKeeper.
func (f *Factory) DeadLetters() async.DeadLetters { return async.Listed(letters{f}) }

type letters struct{ *Factory }

// List implements async.DeadLetters.
func (l letters) List(ctx context.Context, filter async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
	return func(yield func(*async.DeadLetter, error) bool) {
		stream, err := l.js.Stream(ctx, l.dead())
		for next := uint64(1); err == nil && next <= stream.CachedInfo().State.LastSeq; next++ {
			var msg *jetstream.RawStreamMsg
			msg, err = stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(">")) // or the first one behind it
			if err != nil || msg.Sequence > stream.CachedInfo().State.LastSeq {   // which was written meanwhile
				break
			}
			next = msg.Sequence
			letter := async.NewDeadLetter(unpacked(msg.Header, msg.Data))
			letter.Raw = msg.Sequence
			if filter.Match(letter) && !yield(letter, nil) {
				return
			}
		}
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) && !errors.Is(err, jetstream.ErrStreamNotFound) {
			yield(nil, fmt.Errorf("nats: list %s: %w", l.dead(), err))
		}
	}
}

// Remove implements async.DeadLetters.
func (l letters) Remove(ctx context.Context, ll ...*async.DeadLetter) error {
	stream, err := l.js.Stream(ctx, l.dead())
	if err != nil {
		return fmt.Errorf("nats: remove from %s: %w", l.dead(), err)
	}
	batch := &async.BatchError{}
	for i, letter := range ll {
		sequence, _ := letter.Raw.(uint64)
		err := stream.DeleteMsg(ctx, sequence)
		if _, gone := stream.GetMsg(ctx, sequence); err != nil && errors.Is(gone, jetstream.ErrMsgNotFound) {
			err = nil
		}
		batch = batch.Add(i, err)
	}
	return batch.Err()
}

// end snippet
