package sarama

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/record"
)

// letters are the dead letters of what a factory consumes. Each call makes a client of its own, reads the topics from their first message to what is their
// end when it begins, and closes it.
//
// Kafka cannot delete one record, so a letter is removed by another record in its partition, which says which one ([record.HeaderRemoved]). What is removed
// stays in the topic for as long as its retention says, but nobody sees it here.
type letters struct{ factory *factory }

var _ async.DeadLetters = (*letters)(nil)

// letterPlace is the Raw of a letter.
type letterPlace struct {
	place

	offset int64
}

// shelf is a partition with dead letters, as it was when a call began.
type shelf struct {
	place

	first, end int64
}

// List implements async.DeadLetters.
func (l *letters) List(ctx context.Context, filter async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
	return func(yield func(*async.DeadLetter, error) bool) {
		if err := l.list(ctx, &filter, func(d *async.DeadLetter) bool { return yield(d, nil) }); err != nil {
			yield(nil, l.errorf("list", err))
		}
	}
}

// list reads every partition twice: what removes a letter comes behind it, and to keep all letters until then could take any memory.
func (l *letters) list(ctx context.Context, filter *async.DeadFilter, yield func(*async.DeadLetter) bool) error {
	return l.open(ctx, func(at *link, shelves []shelf) error {
		for _, s := range shelves {
			removed := make(map[int64]bool)
			err := s.read(ctx, at, func(r *sarama.ConsumerMessage) bool {
				if _, reader := read(r); reader.Removes {
					removed[reader.Removed] = true
				}
				return true
			})
			if err != nil {
				return err
			}
			more := true
			err = s.read(ctx, at, func(r *sarama.ConsumerMessage) bool {
				m, reader := read(r)
				if reader.Removes || removed[r.Offset] {
					return true
				}
				if d := letterOf(m, r); filter.Match(d) {
					more = yield(d)
				}
				return more
			})
			if err != nil || !more {
				return err
			}
		}
		return nil
	})
}

// letterOf makes a letter of a record.
func letterOf(m *async.Message, r *sarama.ConsumerMessage) *async.DeadLetter {
	d := async.NewDeadLetter(m)
	d.Raw = letterPlace{place{r.Topic, r.Partition}, r.Offset}
	return d
}

// Count implements async.DeadLetters.
func (l *letters) Count(ctx context.Context, filter async.DeadFilter) (int64, error) {
	var n int64
	err := l.list(ctx, &filter, func(*async.DeadLetter) bool { n++; return true })
	if err != nil {
		return 0, l.errorf("count", err)
	}
	return n, nil
}

// Get implements async.DeadLetters.
func (l *letters) Get(ctx context.Context, id string) (*async.DeadLetter, error) {
	var last *async.DeadLetter
	err := l.list(ctx, &async.DeadFilter{ID: id}, func(d *async.DeadLetter) bool {
		if last == nil || !d.Time.Before(last.Time) {
			last = d
		}
		return true
	})
	switch {
	case err != nil:
		return nil, l.errorf("get", err)
	case last == nil:
		return nil, l.errorf("get", fmt.Errorf("%w with ID %q", async.ErrNoLetter, id))
	}
	return last, nil
}

// Remove implements async.DeadLetters.
func (l *letters) Remove(ctx context.Context, ll ...*async.DeadLetter) error {
	if ctx.Err() != nil {
		return l.errorf("remove", context.Cause(ctx))
	}
	topics := l.factory.deadTopics()
	errs := make([]error, len(ll))
	err := l.connect(ctx, func(at *link) error {
		for i, d := range ll {
			if d == nil {
				continue
			}
			raw, ok := d.Raw.(letterPlace)
			if !ok || !slices.Contains(topics, raw.topic) {
				errs[i] = errors.New("it is no letter of this source")
				continue
			}
			r := recordOf(raw.topic, &async.Message{}, time.Now(), record.Removal(raw.offset))
			if failed := at.sender.send(ctx, []*sarama.ProducerMessage{r}, raw.partition); failed != nil {
				errs[i] = failed[0]
			}
		}
		return nil
	})
	if err != nil {
		return l.errorf("remove", err)
	}
	var batch *async.BatchError
	for i, err := range errs {
		if err == nil {
			continue
		}
		if batch == nil {
			batch = &async.BatchError{}
		}
		batch = batch.Add(i, l.errorf("remove", err))
	}
	return batch.Err()
}

func (l *letters) errorf(operation string, err error) error {
	return l.factory.errorf("%s dead letters: %w", operation, err)
}

// connect calls f with a client.
func (l *letters) connect(ctx context.Context, f func(*link) error) error {
	at, err := l.factory.config.connect(ctx)
	if err != nil {
		return err
	}
	defer at.close()
	return at.net.within(ctx, func() error { return f(at) })
}

// open calls f with a client and the partitions of the topics. One that is missing has no letters.
func (l *letters) open(ctx context.Context, f func(*link, []shelf) error) error {
	return l.connect(ctx, func(at *link) error {
		var shelves []shelf
		for _, topic := range l.factory.deadTopics() {
			numbers, err := at.client.Partitions(topic)
			if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
				continue
			}
			if err != nil {
				return fmt.Errorf("topic %q: %w", topic, err)
			}
			for _, n := range numbers {
				s := shelf{place: place{topic, n}}
				if s.first, err = at.client.GetOffset(topic, n, sarama.OffsetOldest); err != nil {
					return fmt.Errorf("topic %q: %w", topic, err)
				}
				if s.end, err = at.client.GetOffset(topic, n, sarama.OffsetNewest); err != nil {
					return fmt.Errorf("topic %q: %w", topic, err)
				}
				shelves = append(shelves, s)
			}
		}
		return f(at, shelves)
	})
}

// read calls f for the records of the partition, until that returns false.
func (s *shelf) read(ctx context.Context, at *link, f func(*sarama.ConsumerMessage) bool) (err error) {
	if s.first >= s.end {
		return nil
	}
	consumer, err := sarama.NewConsumerFromClient(at.client)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.Close()) }()
	from, err := consumer.ConsumePartition(s.topic, s.partition, s.first)
	if err != nil {
		return fmt.Errorf("read %s/%d: %w", s.topic, s.partition, err)
	}
	defer func() { _ = from.Close() }() // its errors are those below
	silence := time.NewTimer(readTimeout)
	defer silence.Stop()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		select {
		case r := <-from.Messages():
			if r == nil || r.Offset >= s.end || !f(r) || r.Offset == s.end-1 {
				return nil
			}
			silence.Reset(readTimeout)
		case e := <-from.Errors():
			if e != nil {
				return fmt.Errorf("read %s/%d: %w", s.topic, s.partition, e.Err)
			}
		case <-silence.C:
			return fmt.Errorf("read %s/%d: nothing for %v, want messages up to %d", s.topic, s.partition, readTimeout, s.end)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
