package kafka

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/record"
	plog "github.com/beatlabs/patron/log"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// letters are the dead letters of what a factory consumes. Each call makes a client of its own, reads the topics from their first message to what is
// their end when it begins, and closes it.
//
// Kafka cannot delete one record, so a letter is removed by another record in its partition, which says which one ([record.HeaderRemoved]). What is
// removed stays in the topic for as long as its retention says, but nobody sees it here.
type letters struct{ factory *factory }

var _ async.DeadLetters = (*letters)(nil)

// letterPlace is the Raw of a letter.
type letterPlace struct {
	place

	offset int64
}

// session opens a client for one call.
func (l *letters) session(ctx context.Context) (*shelf, error) {
	f := l.factory
	client, err := f.config.client(append(f.config.base(plog.Slog(ctx)), append(f.config.producing(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...))
	if err != nil {
		return nil, err
	}
	s := &shelf{letters: l, client: client, admin: kadm.NewClient(client)}
	if err := s.open(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

// List implements async.DeadLetters.
func (l *letters) List(ctx context.Context, filter async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
	return func(yield func(*async.DeadLetter, error) bool) {
		if err := l.list(ctx, &filter, func(d *async.DeadLetter) bool { return yield(d, nil) }); err != nil {
			yield(nil, l.errorf("list", err))
		}
	}
}

func (l *letters) list(ctx context.Context, filter *async.DeadFilter, yield func(*async.DeadLetter) bool) error {
	s, err := l.session(ctx)
	if err != nil {
		return err
	}
	defer s.client.Close()
	removed := make(map[letterPlace]struct{})
	for at := range s.ends { // those that remove come behind what they remove
		err := s.read(ctx, []place{at}, func(e entry) bool {
			if e.reader.Removes {
				removed[letterPlace{at, e.reader.Removed}] = struct{}{}
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	return s.read(ctx, s.places(), func(e entry) bool {
		if _, gone := removed[e.at]; gone || e.reader.Removes {
			return true
		}
		if d := e.letter(); filter.Match(d) {
			return yield(d)
		}
		return true
	})
}

// Count implements async.DeadLetters.
func (l *letters) Count(ctx context.Context, filter async.DeadFilter) (int64, error) {
	found := make(map[letterPlace]struct{})
	err := l.scan(ctx, func(e entry) {
		if e.reader.Removes {
			delete(found, letterPlace{e.at.place, e.reader.Removed})
			return
		}
		if filter.Match(e.letter()) {
			found[e.at] = struct{}{}
		}
	})
	if err != nil {
		return 0, l.errorf("count", err)
	}
	return int64(len(found)), nil
}

// Get implements async.DeadLetters.
func (l *letters) Get(ctx context.Context, id string) (*async.DeadLetter, error) {
	var found []*async.DeadLetter
	err := l.scan(ctx, func(e entry) {
		if e.reader.Removes {
			gone := letterPlace{e.at.place, e.reader.Removed}
			found = slices.DeleteFunc(found, func(d *async.DeadLetter) bool { return d.Raw == gone })
			return
		}
		if d := e.letter(); d.Message.ID == id {
			found = append(found, d)
		}
	})
	switch {
	case err != nil:
		return nil, l.errorf("get", err)
	case len(found) == 0:
		return nil, l.errorf("get", fmt.Errorf("%w with ID %q", async.ErrNoLetter, id))
	}
	return slices.MaxFunc(found, func(a, b *async.DeadLetter) int { return a.Time.Compare(b.Time) }), nil
}

// scan calls f for every record, those of a partition in their order.
func (l *letters) scan(ctx context.Context, f func(entry)) error {
	s, err := l.session(ctx)
	if err != nil {
		return err
	}
	defer s.client.Close()
	for at := range s.ends {
		if err := s.read(ctx, []place{at}, func(e entry) bool { f(e); return true }); err != nil {
			return err
		}
	}
	return nil
}

// Remove implements async.DeadLetters.
func (l *letters) Remove(ctx context.Context, ll ...*async.DeadLetter) error {
	if err := ctx.Err(); err != nil {
		return l.errorf("remove", err)
	}
	s, err := l.session(ctx)
	if err != nil {
		return l.errorf("remove", err)
	}
	defer s.client.Close()
	var batch *async.BatchError
	results := make([]chan error, len(ll))
	for i, d := range ll {
		if d == nil {
			continue
		}
		results[i] = make(chan error, 1)
		at, ok := d.Raw.(letterPlace)
		if _, ours := s.ends[at.place]; !ok || !ours {
			results[i] <- errors.New("it is no letter of this source")
			continue
		}
		r := &kgo.Record{Topic: at.topic, Partition: at.partition, Headers: headersOf(record.Removal(at.offset))}
		s.client.Produce(ctx, r, func(_ *kgo.Record, err error) { results[i] <- err })
	}
	for i, result := range results {
		if result == nil {
			continue
		}
		var err error
		select {
		case err = <-result:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			if batch == nil {
				batch = &async.BatchError{}
			}
			batch = batch.Add(i, l.errorf("remove", err))
		}
	}
	return batch.Err()
}

func (l *letters) errorf(operation string, err error) error {
	return l.factory.errorf("%s dead letters: %w", operation, err)
}

// shelf is the topics of dead letters while one call reads them.
type shelf struct {
	letters *letters
	client  *kgo.Client
	admin   *kadm.Client
	ends    map[place]bound
}

// open finds the topics. One that is missing has no letters.
func (s *shelf) open(ctx context.Context) error {
	f := s.letters.factory
	topics := f.topics
	if f.config.regex && f.config.dead == "" {
		survey, err := f.survey(ctx, s.admin)
		if err != nil {
			return err
		}
		topics = survey.names()
	}
	details, err := s.admin.ListTopics(ctx, f.deadTopics(topics)...)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	var names []string
	for _, d := range details {
		switch {
		case d.Err == nil:
			names = append(names, d.Topic)
		case !errors.Is(d.Err, kerr.UnknownTopicOrPartition):
			return fmt.Errorf("topic %q: %w", d.Topic, d.Err)
		}
	}
	s.ends = make(map[place]bound)
	if len(names) == 0 {
		return nil
	}
	b, err := boundsOf(ctx, s.admin, names...)
	if err != nil {
		return err
	}
	maps.Copy(s.ends, b)
	return nil
}

// places returns the partitions, in order.
func (s *shelf) places() []place {
	return slices.SortedFunc(maps.Keys(s.ends), func(a, b place) int {
		if a.topic != b.topic {
			if a.topic < b.topic {
				return -1
			}
			return 1
		}
		return int(a.partition - b.partition)
	})
}

// read calls f for the records of places until it reports false, the one that was written first in front.
func (s *shelf) read(ctx context.Context, places []place, f func(entry) bool) error {
	if len(places) == 0 {
		return ctx.Err()
	}
	var readers []*reader
	defer func() {
		for _, r := range readers {
			r.close()
		}
	}()
	for _, at := range places {
		r, err := newReader(ctx, s, at)
		if err != nil {
			return err
		}
		readers = append(readers, r)
	}
	for {
		var first *reader
		for _, r := range readers {
			ok, err := r.fill(ctx)
			if err != nil {
				return err
			}
			if ok && (first == nil || r.head().Timestamp.Before(first.head().Timestamp)) {
				first = r
			}
		}
		if first == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if r := first.next(); !r.Attrs.IsControl() && !f(entryOf(r)) {
			return nil
		}
	}
}

// entry is one record of a dead-letter topic.
type entry struct {
	at      letterPlace
	message *async.Message
	reader  record.Reader
}

func entryOf(r *kgo.Record) entry {
	e := entry{at: letterPlace{place{r.Topic, r.Partition}, r.Offset}}
	e.message = &async.Message{Key: r.Key, Data: r.Value, Time: r.Timestamp}
	e.reader = record.Reader{Headers: len(r.Headers)}
	for _, h := range r.Headers {
		e.reader.Read(e.message, h.Key, h.Value)
	}
	e.reader.End(e.message, record.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset})
	return e
}

// letter returns the dead letter that e is.
func (e entry) letter() *async.DeadLetter {
	d := async.NewDeadLetter(e.message)
	p := e.reader.Position
	d.Message.Source = &async.Source{System: system, Name: p.Topic, Partition: p.Partition}
	d.Raw = e.at
	return d
}
