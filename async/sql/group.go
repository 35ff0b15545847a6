package sql

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// group is the one writer of a SQLite database in this process: what comes while a transaction is under way is joined into the next one, so that many share the
// price of a commit. Its goroutine lives as long as there is something to do, and keeps its connection and the statements on it as long, unless others wait for
// a connection.
type group struct {
	store   *store
	mu      sync.Mutex // guards everything below
	waiting []*joined
	running bool
}

// joined is one of those that share a transaction.
type joined struct {
	ctx  context.Context //nolint:containedctx // of the caller, who may leave until it is taken
	fn   func(ctx context.Context, ex Tx) error
	done chan struct{}
	err  error
}

// together is how many share a transaction at most, so that the first of them does not wait long for the last.
const together = 128

// do runs fn in a transaction that it may share with others. When ctx ends before the transaction has begun, fn is not run.
func (g *group) do(ctx context.Context, fn func(ctx context.Context, ex Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &joined{ctx: ctx, fn: fn, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, j)
	if !g.running {
		g.running = true
		go g.run() //nolint:gosec // it works for all that wait, and not for the one that starts it
	}
	g.mu.Unlock()
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	if at := slices.Index(g.waiting, j); at >= 0 {
		g.waiting = slices.Delete(g.waiting, at, at+1)
		g.mu.Unlock()
		return ctx.Err()
	}
	g.mu.Unlock()
	<-j.done // its transaction is under way, and waits for nobody any more
	return j.err
}

// run makes transactions until nobody waits.
func (g *group) run() {
	var w *writer
	defer func() {
		if w != nil {
			w.release()
		}
	}()
	for n := 1; ; {
		g.mu.Lock()
		if len(g.waiting) == 0 {
			if w == nil {
				g.running = false
				g.mu.Unlock()
				return
			}
			g.mu.Unlock()
			w.release() // before others are told that nobody runs: they would want one more connection
			w = nil
			continue
		}
		g.mu.Unlock()
		var busy bool
		if w, busy = g.once(w); !busy {
			n = 1
			continue
		}
		if w != nil {
			w.release()
			w = nil
		}
		pause(context.Background(), backoff(n))
		n++
	}
}

// take returns those that the next transaction is for.
func (g *group) take() []*joined {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), together)
	jj := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return jj
}

// giveBack lets jj wait for the next transaction, in front of the others, but for those whose callers want to leave.
func (g *group) giveBack(jj []*joined) {
	jj = slices.DeleteFunc(jj, func(j *joined) bool {
		j.err = j.ctx.Err()
		if j.err != nil {
			close(j.done)
		}
		return j.err != nil
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.Concat(jj, g.waiting)
}

func finish(jj []*joined, err error) {
	for _, j := range jj {
		if j.err == nil {
			j.err = err
		}
		close(j.done)
	}
}

// once makes one transaction with w, which may be nil, and returns the writer for the next one. It reports whether this one is to be tried again because the
// database is locked by somebody else.
func (g *group) once(w *writer) (next *writer, busy bool) {
	ctx := context.Background()
	w, err := g.writer(ctx, w)
	if err == nil {
		_, err = w.ExecContext(ctx, "BEGIN IMMEDIATE")
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), again(err): // all connections of the pool are in use, or another process writes
		return w, true
	case err != nil:
		finish(g.take(), err)
		if w != nil {
			w.discard()
		}
		return nil, false
	}
	jj := g.take()
	err = g.carryOut(ctx, w, jj)
	if err == nil {
		_, err = w.ExecContext(ctx, "COMMIT")
	}
	if err == nil {
		finish(jj, nil)
		return w, false
	}
	if _, failed := w.ExecContext(ctx, "ROLLBACK"); failed != nil {
		w.discard()
		w = nil
	}
	if again(err) {
		g.giveBack(jj)
		return w, true
	}
	finish(jj, err)
	return w, false
}

// writer returns w, or a new one if there is none or others wait for its connection.
func (g *group) writer(ctx context.Context, w *writer) (*writer, error) {
	if w != nil {
		if s := g.store.db.Stats(); s.MaxOpenConnections == 0 || s.InUse < s.MaxOpenConnections {
			return w, nil
		}
		w.release()
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := g.store.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return newWriter(conn), nil
}

// carryOut runs jj, each behind a savepoint if there are several. The error says that nothing can be committed.
func (g *group) carryOut(ctx context.Context, w *writer, jj []*joined) error {
	for _, j := range jj {
		if len(jj) > 1 {
			if _, err := w.ExecContext(ctx, "SAVEPOINT patron_joined"); err != nil {
				return err
			}
		}
		j.err = j.fn(context.WithoutCancel(j.ctx), w)
		if again(j.err) || j.err != nil && len(jj) == 1 {
			return j.err
		}
		if j.err != nil {
			if _, err := w.ExecContext(ctx, "ROLLBACK TO patron_joined"); err != nil {
				return errors.Join(j.err, err) // SQLite has given up the whole transaction, which it does when the disk is full
			}
		}
		if len(jj) > 1 {
			if _, err := w.ExecContext(ctx, "RELEASE patron_joined"); err != nil {
				return err
			}
		}
	}
	return nil
}
