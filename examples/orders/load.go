package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"
)

// connections is how many orders the loader has on the wire at a time.
const connections = 16

// lookahead bounds how many orders of the feed wait because an order of their customer is on the wire.
const lookahead = 4096

// shipment is an order that this run posted.
type shipment struct {
	sent     time.Time
	accepted bool
	finish   Finish // Status is empty until its effect is there
}

// Loader posts a feed of orders over HTTP, the orders of a customer one after another, and follows those that are accepted to their effect.
type Loader struct {
	url    string
	feed   []feedOrder
	repeat int
	rate   int
	client *http.Client

	mu        sync.Mutex // guards everything below
	shipments map[string]*shipment
	changed   chan struct{} // has a value when an order was answered or finished
	answers   int
	accepted  int
	refused   int
	finished  int   // of the accepted ones
	wrong     error // the first answer that should not be
	wrongs    int
}

// NewLoader returns a loader of feed, repeat times, at rate orders a second (0: as fast as it goes).
func NewLoader(feed []feedOrder, repeat, rate int) *Loader {
	return &Loader{
		feed: feed, repeat: repeat, rate: rate,
		client: &http.Client{Transport: &http.Transport{
			MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections, DisableCompression: true,
		}},
		shipments: make(map[string]*shipment, min(len(feed)*repeat, 1<<20)),
		changed:   make(chan struct{}, 1),
	}
}

// Total is how many orders there are to post.
func (l *Loader) Total() int { return len(l.feed) * l.repeat }

// Finished is told of every order that is finished, by this run or others; see [NewBook].
func (l *Loader) Finished(f Finish) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.shipments[f.Invoice]
	if s == nil || s.finish.Status != "" {
		return
	}
	s.finish = f
	if s.accepted {
		l.finished++
	}
	l.notifyLocked()
}

func (l *Loader) notifyLocked() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// Post posts the feed to the service at url until it is at its end or ctx ends, and returns when every order on the wire has its answer.
func (l *Loader) Post(ctx context.Context, url string) {
	l.url = url
	defer l.client.CloseIdleConnections()
	work := make(chan feedOrder)
	done := make(chan string, connections)
	var workers sync.WaitGroup
	for range connections {
		workers.Go(func() {
			for o := range work {
				l.post(o)
				done <- o.customer
			}
		})
	}
	l.dispatch(ctx, work, done)
	close(work)
	go func() {
		workers.Wait()
		close(done)
	}()
	for range done {
		continue // the last answers
	}
}

// dispatch hands the orders out: each in its turn, but one whose customer has an order on the wire waits for it and lets others pass.
func (l *Loader) dispatch(ctx context.Context, work chan<- feedOrder, done <-chan string) {
	busy := make(map[string][]feedOrder) // customers with an order on the wire → what waits behind it
	var ready []feedOrder                // freed orders, to go first
	waiting, next := 0, 0
	began := time.Now()
	free := func(customer string) {
		line := busy[customer]
		switch {
		case customer == "":
		case len(line) == 0:
			delete(busy, customer)
		default:
			ready, busy[customer] = append(ready, line[0]), line[1:]
			waiting--
		}
	}
	for next < l.Total() || waiting > 0 || len(ready) > 0 {
		var turn <-chan time.Time // when the next order of the feed is due
		var out chan<- feedOrder
		var o feedOrder
		switch {
		case ctx.Err() != nil:
			return
		case len(ready) > 0:
			out, o = work, ready[0]
		case next < l.Total() && waiting < lookahead:
			if wait := time.Until(l.due(began, next)); wait > 0 {
				turn = time.After(wait)
				break
			}
			fresh, err := l.feed[next%len(l.feed)].pass(next / len(l.feed))
			if err != nil {
				l.blame(err)
				return
			}
			if line, isBusy := busy[fresh.customer]; isBusy && fresh.customer != "" {
				busy[fresh.customer] = append(line, fresh)
				waiting++
				next++
				continue
			}
			out, o = work, fresh
		}
		select {
		case <-ctx.Done():
			return
		case <-turn:
		case customer := <-done:
			free(customer)
		case out <- o:
			if len(ready) > 0 {
				ready = ready[1:]
			} else {
				next++
				if o.customer != "" {
					busy[o.customer] = nil
				}
			}
		}
	}
}

// due is when order n of the run is to be posted.
func (l *Loader) due(began time.Time, n int) time.Time {
	if l.rate == 0 {
		return began
	}
	return began.Add(time.Duration(float64(n) / float64(l.rate) * float64(time.Second)))
}

// post posts one order. It is not given up when the run is stopped: its answer counts.
func (l *Loader) post(o feedOrder) {
	sent := time.Now()
	l.mu.Lock()
	if l.shipments[o.invoice] == nil {
		l.shipments[o.invoice] = &shipment{sent: sent}
	}
	l.mu.Unlock()

	status, err := l.send(o)

	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.notifyLocked()
	if err != nil {
		l.blameLocked(fmt.Errorf("order %q: %w", o.invoice, err))
		return
	}
	l.answers++
	switch status {
	case http.StatusAccepted:
		l.accepted++
		s := l.shipments[o.invoice]
		if s.accepted {
			l.blameLocked(fmt.Errorf("order %q: accepted twice", o.invoice))
			return
		}
		s.accepted = true
		if s.finish.Status != "" {
			l.finished++
		}
	case http.StatusUnprocessableEntity:
		l.refused++
	case http.StatusOK:
	default:
		l.blameLocked(fmt.Errorf("order %q: status %d", o.invoice, status))
	}
}

func (l *Loader) send(o feedOrder) (int, error) {
	req, err := http.NewRequest(http.MethodPost, l.url+"/orders", bytes.NewReader(o.body)) //nolint:noctx // see post
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

func (l *Loader) blame(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blameLocked(err)
}

func (l *Loader) blameLocked(err error) {
	l.wrongs++
	if l.wrong == nil {
		l.wrong = err
	}
}

// Wait waits until every accepted order has its effect, or ctx ends.
func (l *Loader) Wait(ctx context.Context) {
	for {
		l.mu.Lock()
		finished := l.finished == l.accepted
		l.mu.Unlock()
		if finished {
			return
		}
		select {
		case <-l.changed:
		case <-ctx.Done():
			return
		}
	}
}

// Err tells of answers that should not be.
func (l *Loader) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrong == nil {
		return nil
	}
	return fmt.Errorf("%d orders without a proper answer, the first: %w", l.wrongs, l.wrong)
}

// Report is what a run did.
type Report struct {
	Sent, Accepted, Refused, Processed, Dead, Retried, Lost int
	Value                                                   Money
	P50, P99                                                time.Duration
}

// Report sums the run up so far.
func (l *Loader) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := Report{Sent: l.answers, Accepted: l.accepted, Refused: l.refused}
	times := make([]time.Duration, 0, l.finished)
	for _, s := range l.shipments {
		if !s.accepted || s.finish.Status == "" {
			continue
		}
		times = append(times, s.finish.At.Sub(s.sent))
		r.Retried += max(0, s.finish.Attempts-1)
		if s.finish.Status == Processed {
			r.Processed++
			r.Value = r.Value.plus(s.finish.Value)
		} else {
			r.Dead++
		}
	}
	r.Lost = r.Accepted - r.Processed - r.Dead
	slices.Sort(times)
	r.P50, r.P99 = quantile(times, 0.5), quantile(times, 0.99)
	return r
}

// quantile is the nearest-rank quantile of sorted times.
func quantile(times []time.Duration, q float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return times[max(0, int(math.Ceil(q*float64(len(times))))-1)]
}

// String is the last line of a run.
func (r Report) String() string {
	return fmt.Sprintf("sent=%d accepted=%d refused=%d processed=%d dead=%d retried=%d value=%s lost=%d p50=%v p99=%v",
		r.Sent, r.Accepted, r.Refused, r.Processed, r.Dead, r.Retried, r.Value, r.Lost,
		r.P50.Round(time.Microsecond), r.P99.Round(time.Microsecond))
}
