package drain

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Of how many one is treated so, on average.
const (
	repeatOneIn = 40 // accepted orders: posted again
	splitOneIn  = 8  // requests of a slow run: sent in two pieces
)

// maxGap bounds the time between two pieces of a request.
const maxGap = 5 * time.Millisecond

// posting is a request and what became of it. Moments are positions in the one sequence of all requests and answers of a run.
type posting struct {
	order    *order
	repeated bool  // the order had been accepted before
	sent     int64 // moment before the first byte was written, or a connection was asked for
	ended    int64 // moment after the answer was whole, or the request had failed
	reused   bool  // the connection had carried an answer before
	fate     fate
	answer   answer // if answered
	err      error  // if not
}

// isAccepted reports whether the answer was 202.
func (p *posting) isAccepted() bool {
	return p.fate == answered && p.answer.status == http.StatusAccepted
}

// loader posts orders, those of a customer one after another, until no connection can be had.
type loader struct {
	addr  string
	plan  plan
	items []item

	moment     atomic.Int64
	began      chan struct{} // closed when the first byte is about to be posted
	beginOnce  sync.Once
	shut       atomic.Bool // a connection was refused: nobody asks for another, the port may be somebody else's soon
	closedIdle atomic.Int64
}

func newLoader(addr string, p plan, items []item) *loader {
	return &loader{addr: addr, plan: p, items: items, began: make(chan struct{})}
}

// now returns the next moment.
func (l *loader) now() int64 { return l.moment.Add(1) }

// run posts until no connection can be had, or ctx ends, and returns what was posted in the order of sending.
func (l *loader) run(ctx context.Context) ([]posting, error) {
	var workers sync.WaitGroup
	made, errs := make([][]posting, connections), make([]error, connections)
	for i := range connections {
		workers.Go(func() { made[i], errs[i] = l.work(ctx, i) })
	}
	workers.Wait()
	all := slices.Concat(made...)
	slices.SortFunc(all, func(a, b posting) int { return int(a.sent - b.sent) })
	for _, err := range errs {
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// work posts the orders of connection i. A customer has one connection, so its orders are posted one after another.
func (l *loader) work(ctx context.Context, i int) ([]posting, error) {
	w := &wire{addr: l.addr}
	defer func() {
		w.close()
		l.closedIdle.Add(int64(w.closedIdle))
	}()
	random := l.plan.random(i)
	if l.plan.slow {
		w.split = func(size int) (int, time.Duration) {
			if random.IntN(splitOneIn) > 0 {
				return size, 0
			}
			return 1 + random.IntN(size), time.Duration(random.Int64N(int64(maxGap)))
		}
	}
	began := time.Now()
	var made []posting
	for n := 0; ; n++ {
		at := l.plan.start%len(l.items) + n
		it := &l.items[at%len(l.items)]
		if it.connection(l.plan.crowd) != i {
			continue
		}
		if !l.await(ctx, began, n) {
			return made, nil
		}
		o, err := it.order(at/len(l.items), l.plan.crowd)
		if err != nil {
			return made, err
		}
		for repeated := false; ; repeated = true {
			p, done := l.post(ctx, w, o)
			if done {
				return made, nil
			}
			p.repeated = repeated
			made = append(made, p)
			if i < l.plan.brief {
				w.close()
			}
			if repeated || !p.isAccepted() || random.IntN(repeatOneIn) > 0 {
				break
			}
		}
	}
}

// connection is the one that posts the invoice.
func (it *item) connection(crowd int) int {
	if crowd > 0 && it.customer != "" {
		return it.number % crowd % connections
	}
	return it.number % connections
}

// await waits until order n of the run is due.
func (l *loader) await(ctx context.Context, began time.Time, n int) bool {
	if l.plan.rate == 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(l.plan.rate))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// post posts one order, or reports that there is no connection for it and none may be asked for.
func (l *loader) post(ctx context.Context, w *wire, o *order) (p posting, done bool) {
	p = posting{order: o, sent: l.now()}
	if !w.isOpen() {
		if l.shut.Load() || ctx.Err() != nil {
			return p, true
		}
		if err := w.open(ctx); err != nil {
			l.shut.Store(true)
			p.fate, p.err, p.ended = unopened(err), err, l.now()
			return p, false
		}
	}
	l.beginOnce.Do(func() { close(l.began) })
	p.reused = w.used
	p.answer, p.fate, p.err = w.post(o.body)
	p.ended = l.now()
	return p, false
}
