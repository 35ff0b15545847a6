package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// reader reads one partition from its first record to an end, with a client of its own, so that many can be read side by side in bounded memory.
type reader struct {
	shelf   *shelf
	at      place
	end     int64
	client  *kgo.Client
	records []*kgo.Record
	done    bool
}

// What a reader takes at a time, and how long it waits for it before it looks whether the partition still has what it waits for.
const (
	mostRead  = 200
	readBytes = 1 << 20
	readWait  = time.Second
)

func newReader(ctx context.Context, s *shelf, at place) (*reader, error) {
	b := s.ends[at]
	r := &reader{shelf: s, at: at, end: b.end, done: b.first >= b.end}
	if r.done {
		return r, ctx.Err()
	}
	f := s.letters.factory
	oo := f.config.base(logOf(ctx))
	client, err := f.config.client(append(oo,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{at.topic: {at.partition: kgo.NewOffset().At(b.first)}}),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords(), kgo.FetchMaxWait(readWait/4),
		kgo.FetchMaxBytes(readBytes), kgo.FetchMaxPartitionBytes(readBytes)))
	if err != nil {
		return nil, err
	}
	r.client = client
	return r, nil
}

func (r *reader) close() {
	if r.client != nil {
		r.client.Close()
	}
}

func (r *reader) head() *kgo.Record { return r.records[0] }

func (r *reader) next() *kgo.Record {
	first := r.records[0]
	r.records = r.records[1:]
	return first
}

// fill sees to it that there is a head, and reports false at the end.
func (r *reader) fill(ctx context.Context) (bool, error) {
	for len(r.records) == 0 && !r.done {
		if err := r.poll(ctx); err != nil {
			return false, fmt.Errorf("read %v: %w", r.at, err)
		}
	}
	return len(r.records) > 0, nil
}

func (r *reader) poll(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	fetches := r.client.PollRecords(short, mostRead)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := fetches.Err0(); err != nil && short.Err() == nil {
		return err
	}
	for record := range fetches.RecordsAll() {
		if record.Offset < r.end {
			r.records = append(r.records, record)
		}
		r.done = r.done || record.Offset >= r.end-1
	}
	if fetches.NumRecords() > 0 {
		return nil
	}
	b, err := boundsOf(ctx, r.shelf.admin, r.at.topic) // it may have been deleted meanwhile
	if err != nil {
		return err
	}
	r.done = b[r.at].first >= r.end
	return nil
}
