package main

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// Status is where an order is.
type Status string

// The statuses. A confirmed order has one of them.
const (
	Accepted   Status = "accepted"
	Processing Status = "processing"
	Processed  Status = "processed"
	Dead       Status = "dead"
)

// View is an order as it is read.
type View struct {
	Invoice  string `json:"invoice"`
	Customer string `json:"customer"`
	Status   Status `json:"status"`
	Attempts int    `json:"attempts"`
	Value    string `json:"value"`
	Location string `json:"location"`
	Cause    string `json:"cause,omitempty"`
}

// Summary counts all orders.
type Summary struct {
	Accepted   int    `json:"accepted"`
	Refused    int    `json:"refused"`
	Waiting    int    `json:"waiting"`
	Processing int    `json:"processing"`
	Processed  int    `json:"processed"`
	Dead       int    `json:"dead"`
	Retried    int    `json:"retried"`
	Value      string `json:"value"`
}

// entry is an order in the book.
type entry struct {
	invoice  string
	customer string
	digest   [sha256.Size]byte
	value    Money

	confirmed bool
	decided   chan struct{} // closed when the broker has confirmed or refused the order
	status    Status
	attempts  int
	cause     string
	finished  time.Time
}

// account is what one customer has in the book: finished orders in the order of their effects, the others in the order of acceptance.
type account struct {
	finished []*entry
	waiting  []*entry
}

// Book holds the orders and what became of them. It may be used concurrently.
type Book struct {
	mu         sync.Mutex // guards everything below
	orders     map[string]*entry
	customers  map[string]*account
	accepted   int
	refused    int
	processing int
	processed  int
	dead       int
	retried    int
	value      Money
	idle       chan struct{} // closed when every order is finished; nil: nobody waits for it

	onFinish func(Finish) // told of every finished order; set before use
}

// Finish says how an order ended.
type Finish struct {
	Invoice  string
	Status   Status
	Attempts int
	Value    Money
	At       time.Time
}

// NewBook returns an empty book. onFinish, which may be nil, is called for every finished order; it must be quick.
func NewBook(onFinish func(Finish)) *Book {
	return &Book{orders: make(map[string]*entry), customers: make(map[string]*account), onFinish: onFinish}
}

// Placing is the outcome of Place.
type Placing uint8

// The outcomes.
const (
	PlacedNew       Placing = iota // the caller publishes it, then says Confirm or Withdraw
	PlacedBefore                   // the same order is there
	PlacedDifferent                // another order with its invoice is there
)

// Place enters an order. If the same invoice is being placed by somebody else it waits for the outcome, or for ctx.
func (b *Book) Place(ctx context.Context, o *Order, digest [sha256.Size]byte) (Placing, error) {
	for {
		b.mu.Lock()
		e := b.orders[o.Invoice]
		if e == nil {
			b.orders[o.Invoice] = &entry{
				invoice: o.Invoice, customer: o.Customer, digest: digest, value: o.Value(), status: Accepted, decided: make(chan struct{}),
			}
			b.mu.Unlock()
			return PlacedNew, nil
		}
		confirmed, decided := e.confirmed, e.decided
		b.mu.Unlock()
		switch {
		case confirmed && e.digest == digest:
			return PlacedBefore, nil
		case confirmed:
			return PlacedDifferent, nil
		}
		select {
		case <-decided:
		case <-ctx.Done():
			return PlacedBefore, context.Cause(ctx)
		}
	}
}

// Confirm says that the broker has the order: from now on it exists.
func (b *Book) Confirm(invoice string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.orders[invoice]; e != nil {
		b.confirmLocked(e)
	}
}

func (b *Book) confirmLocked(e *entry) {
	if e.confirmed {
		return // its processing was faster than the news of its confirmation
	}
	e.confirmed = true
	b.accepted++
	a := b.customers[e.customer]
	if a == nil {
		a = &account{}
		b.customers[e.customer] = a
	}
	a.waiting = append(a.waiting, e)
	close(e.decided)
}

// Withdraw says that the broker does not have the order: it does not exist. If it was processed nevertheless Withdraw reports false.
func (b *Book) Withdraw(invoice string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.orders[invoice]
	if e == nil || e.confirmed {
		return e == nil
	}
	delete(b.orders, invoice)
	close(e.decided)
	return true
}

// Refuse counts an order that was refused at the door.
func (b *Book) Refuse() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused++
}

// Start notes that attempt n at an order begins. It reports false if the order is finished already: then there is nothing to do.
func (b *Book) Start(o *Order, digest [sha256.Size]byte, attempt int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.orders[o.Invoice]
	if e == nil { // a message of an earlier life of the broker
		e = &entry{invoice: o.Invoice, customer: o.Customer, digest: digest, value: o.Value(), status: Accepted, decided: make(chan struct{})}
		b.orders[o.Invoice] = e
	}
	b.confirmLocked(e)
	if e.status == Processed || e.status == Dead {
		return false
	}
	if e.status == Accepted {
		e.status = Processing
		b.processing++
	}
	b.retried += max(0, attempt-1) - max(0, e.attempts-1)
	e.attempts = attempt
	return true
}

// Abandon notes that a started attempt was given back: the order waits again.
func (b *Book) Abandon(invoice string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.orders[invoice]; e != nil && e.status == Processing {
		e.status = Accepted
		b.processing--
	}
}

// restore enters an order as an earlier process left it. Finished orders come in the order of their effects, then the others in the order of acceptance. It is
// called before the book is used.
func (b *Book) restore(e *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.decided = make(chan struct{})
	b.orders[e.invoice] = e
	b.confirmLocked(e)
	b.retried += max(0, e.attempts-1)
	switch e.status {
	case Processed:
		b.processed++
		b.value = b.value.plus(e.value)
	case Dead:
		b.dead++
	case Accepted, Processing:
		fallthrough
	default:
		e.status = Accepted
		return
	}
	a := b.customers[e.customer]
	a.waiting = a.waiting[:len(a.waiting)-1]
	a.finished = append(a.finished, e)
}

// Finish notes the effect of an order, after it was written. A second call does nothing.
func (b *Book) Finish(invoice string, outcome Outcome) {
	b.mu.Lock()
	e := b.orders[invoice]
	if e == nil || e.status == Processed || e.status == Dead {
		b.mu.Unlock()
		return
	}
	if e.status == Processing {
		b.processing--
	}
	e.status, e.cause, e.finished = outcome.Status, outcome.Cause, outcome.At
	b.retried += max(0, outcome.Attempts-1) - max(0, e.attempts-1)
	e.attempts = outcome.Attempts
	if e.status == Processed {
		b.processed++
		b.value = b.value.plus(e.value)
	} else {
		b.dead++
	}
	a := b.customers[e.customer]
	a.finished = append(a.finished, e)
	if i := slices.Index(a.waiting, e); i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
	}
	f := Finish{Invoice: invoice, Status: e.status, Attempts: e.attempts, Value: e.value, At: e.finished}
	idle := b.idle
	if b.processed+b.dead == b.accepted {
		b.idle = nil
	} else {
		idle = nil
	}
	b.mu.Unlock()
	if idle != nil {
		close(idle)
	}
	if b.onFinish != nil {
		b.onFinish(f)
	}
}

// Idle returns a channel that is closed when every order that there is now is finished, and so are those that come until then.
func (b *Book) Idle() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	if b.processed+b.dead == b.accepted {
		close(b.idle)
		b.idle = nil
	}
	return idle
}

// IsFinished reports whether the effect of an order was noted.
func (b *Book) IsFinished(invoice string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.orders[invoice]
	return e != nil && (e.status == Processed || e.status == Dead)
}

// Has reports whether an order is there.
func (b *Book) Has(invoice string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.orders[invoice] != nil
}

// Order returns a confirmed order.
func (b *Book) Order(invoice string) (View, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.orders[invoice]
	if e == nil || !e.confirmed {
		return View{}, false
	}
	return e.view(), true
}

// Orders returns the orders of a customer: the finished ones in the order of their effects, then the others in the order of acceptance.
func (b *Book) Orders(customer string) []View {
	b.mu.Lock()
	defer b.mu.Unlock()
	views := []View{}
	a := b.customers[customer]
	if a == nil {
		return views
	}
	for _, e := range a.finished {
		views = append(views, e.view())
	}
	for _, e := range a.waiting {
		views = append(views, e.view())
	}
	return views
}

func (e *entry) view() View {
	return View{
		Invoice: e.invoice, Customer: e.customer, Status: e.status, Attempts: e.attempts, Value: e.value.String(),
		Location: location(e.invoice), Cause: e.cause,
	}
}

func location(invoice string) string { return "/orders/" + invoice }

// Summary counts.
func (b *Book) Summary() Summary {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Summary{
		Accepted: b.accepted, Refused: b.refused, Waiting: b.accepted - b.processing - b.processed - b.dead, Processing: b.processing,
		Processed: b.processed, Dead: b.dead, Retried: b.retried, Value: b.value.String(),
	}
}
