package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

// NewProducer is [New] for those that only publish: it returns [Queue.Producer] of a Queue of its own.
func NewProducer(db *sql.DB, dialect Dialect, queue string, oo ...OptionFunc) (async.Producer, error) {
	q, err := New(db, dialect, queue, oo...)
	if err != nil {
		return nil, err
	}
	return q.Producer(), nil
}

// Producer returns a producer whose Send is a transaction of its own: nil says that it is committed, with all messages. If the database refuses some of them
// the others are committed without those, which the *async.BatchError names. An error that wraps async.ErrUnknown says that the connection was lost with the
// answer to the commit. Deadlocks and a locked database are waited out until the context ends.
func (q *Queue) Producer() async.Producer {
	return async.Observed(q.store.dialect.system(), q.name, &producer{queue: q})
}

// Tx returns a producer whose Send writes into tx, the caller's transaction, for async.Publish: the messages are there if and when that is committed, together
// with whatever else it does. A nil error says that they are written, not that they will stay. After an error roll the transaction back. Close does nothing.
//
// With keys, tx holds a lock from the first Send until it ends, and whoever publishes with the same keys waits: that is what makes their order the one of the
// commits. So publish late in a transaction, and once with all messages, which takes the locks in an order in which nobody deadlocks; see [Unordered], too. The
// database resolves other deadlocks by an error of one of them, which is to be repeated from its beginning.
func (q *Queue) Tx(tx Tx) async.Producer {
	return async.Observed(q.store.dialect.system(), q.name, &producer{queue: q, tx: tx, inTx: true})
}

// Publish sends mm in tx, the caller's transaction: it is Tx(tx).Send.
func (q *Queue) Publish(ctx context.Context, tx Tx, mm ...*async.Message) error {
	return q.Tx(tx).Send(ctx, mm...)
}

// producer sends to one queue.
type producer struct {
	queue  *Queue
	tx     Tx // of the caller
	inTx   bool
	closed atomic.Bool
}

var _ async.Scheduler = (*producer)(nil)

// MaxPublishDelay implements async.Scheduler.
func (p *producer) MaxPublishDelay() time.Duration { return maxDelay }

// Send implements async.Producer.
func (p *producer) Send(ctx context.Context, mm ...*async.Message) error {
	if len(mm) == 0 {
		return nil
	}
	err := p.send(ctx, mm)
	if err == nil {
		return nil
	}
	if batch, ok := errors.AsType[*async.BatchError](err); ok {
		for i, err := range batch.Errors {
			batch.Errors[i] = p.queue.errorf("publish to", err)
		}
		return batch
	}
	return p.queue.errorf("publish to", err)
}

func (p *producer) send(ctx context.Context, mm []*async.Message) error {
	if p.closed.Load() {
		return async.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	q := p.queue
	rows := make([]*row, 0, len(mm))
	places := make([]int, 0, len(mm)) // of rows in mm
	var refused *async.BatchError
	for i, m := range mm {
		r, err := newRow(q.name, m, q.config.unordered)
		if err != nil {
			refused = refuse(refused, i, err)
			continue
		}
		rows, places = append(rows, r), append(places, i)
	}
	if p.inTx {
		if refused != nil {
			return refused.Errors[firstOf(refused)]
		}
		return p.sendIn(ctx, rows)
	}
	if len(rows) > 0 {
		errs, err := q.insertAll(ctx, rows)
		if err != nil {
			return err
		}
		for n, err := range errs {
			if err != nil {
				refused = refuse(refused, places[n], err)
			}
		}
	}
	q.Wake()
	return refused.Err()
}

func refuse(e *async.BatchError, i int, err error) *async.BatchError {
	if e == nil {
		e = &async.BatchError{}
	}
	return e.Add(i, err)
}

func firstOf(e *async.BatchError) int {
	for i := 0; ; i++ {
		if e.Errors[i] != nil {
			return i
		}
	}
}

// sendIn writes rows in the transaction of the caller.
func (p *producer) sendIn(ctx context.Context, rows []*row) error {
	switch tx := p.tx.(type) {
	case nil:
		return reliability.Permanent(errors.New("the transaction is nil"))
	case *sql.DB:
		return reliability.Permanent(fmt.Errorf("%T is no transaction: want a *sql.Tx", tx))
	case *sql.Tx:
		if tx == nil {
			return reliability.Permanent(errors.New("the transaction is nil"))
		}
	}
	if err := p.queue.store.ready(ctx, p.tx); err != nil {
		return err
	}
	return p.queue.insert(ctx, p.tx, rows)
}

// Close implements async.Producer. Nothing is buffered, so it returns at once.
func (p *producer) Close(context.Context) error {
	if !p.inTx {
		p.closed.Store(true)
	}
	return nil
}
