package sqs

import (
	"context"
	"sync"
	"time"
)

// batcher joins what is sent at the same time into batches of up to ten entries and 1 MiB. A batch goes out when it is full, when nothing else is on its way,
// or when its first entry has waited for the linger: so who sends alone waits for nobody, and who sends with others shares requests.
//
// A batch belongs to several senders, so none of their contexts ends it: each sender stops waiting by itself.
type batcher struct {
	target target
	most   int // bytes of a batch
	linger time.Duration

	mu      sync.Mutex // guards everything below
	waiting []*parcel
	flying  int
	timer   *time.Timer
	closed  bool
	changed chan struct{} // closed, and made anew, when a batch has come back; nil: nobody waits
}

// parcel is an entry on its way.
type parcel struct {
	entry entry
	place int           // in what was sent
	sent  bool          // it is in a batch that went out; guarded by the batcher
	done  chan struct{} // closed when err is set
	err   error
}

// add queues entries, in their order, or reports that the batcher is closed.
func (b *batcher) add(parcels []*parcel) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.waiting = append(b.waiting, parcels...)
	b.departLocked(false)
	return true
}

// departLocked sends full batches, and the last one, too, if it need not wait for more.
func (b *batcher) departLocked(overdue bool) {
	for len(b.waiting) > 0 {
		n, bytes := 0, 0
		for n < len(b.waiting) && (n == 0 || fits(n, bytes+b.waiting[n].entry.size, b.most)) {
			bytes += b.waiting[n].entry.size
			n++
		}
		full := n < len(b.waiting) || n == mostEntries
		if !full && b.flying > 0 && !overdue && !b.closed {
			b.delayLocked()
			return
		}
		batch := append([]*parcel(nil), b.waiting[:n]...)
		b.waiting = append(b.waiting[:0], b.waiting[n:]...)
		clear(b.waiting[len(b.waiting):cap(b.waiting)])
		for _, p := range batch {
			p.sent = true
		}
		b.flying++
		go b.fly(batch)
	}
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
}

// delayLocked makes what waits depart when the linger is over.
func (b *batcher) delayLocked() {
	if b.timer == nil {
		b.timer = time.AfterFunc(b.linger, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.timer = nil
			b.departLocked(true)
		})
	}
}

// fly sends one batch, and lets the next one go.
func (b *batcher) fly(batch []*parcel) {
	entries := make([]entry, len(batch))
	for i, p := range batch {
		entries[i] = p.entry
	}
	errs := b.target.send(context.Background(), entries) // which bounds itself
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, p := range batch {
		p.err = errs[i]
		close(p.done)
	}
	b.flying--
	b.departLocked(false)
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// await returns what came of a parcel. If ctx ends first it is taken back, if it has not gone out.
func (b *batcher) await(ctx context.Context, p *parcel) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-p.done:
		return p.err
	default:
	}
	if p.sent {
		return unanswered(ctx.Err())
	}
	for i, w := range b.waiting {
		if w == p {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			break
		}
	}
	return ctx.Err()
}

// close refuses what comes, and returns when everything is sent or ctx ends.
func (b *batcher) close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.departLocked(true)
	for b.flying > 0 {
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return unanswered(ctx.Err())
		}
		b.mu.Lock()
	}
	b.mu.Unlock()
	return nil
}
