package drain

import (
	"fmt"
	"net/http"
)

// evidence is what is known of a run from outside.
type evidence struct {
	postings   []posting // in the order of sending
	stopping   int64     // the moment before the signal
	effects    []byte    // the content of the file
	closedIdle int       // connections that ended between two requests
}

// check returns everything that the run did against the contract.
func (ev *evidence) check() []error {
	var errs []error
	for i := range ev.postings {
		if err := ev.postings[i].check(ev.stopping); err != nil {
			errs = append(errs, err)
		}
	}
	effects, wrong := parseEffects(ev.effects)
	errs = append(errs, wrong...)
	errs = append(errs, ev.checkEffects(effects)...)
	return append(errs, ev.checkOrder(effects)...)
}

// check says what is wrong with the answer of a request.
func (p *posting) check(stopping int64) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("order %s of customer %q, posted %s: %s", p.order.invoice, p.order.customer, p.how(), fmt.Sprintf(format, args...))
	}
	switch p.fate {
	case lost:
		return wrong("no answer: %v", p.err)
	case cut:
		return wrong("the answer was cut: %v", p.err)
	case refused, reset:
		if p.ended < stopping {
			return wrong("%v before the tour was told to stop: %v", p.fate, p.err)
		}
		return nil
	case answered:
	}
	if p.answer.status == http.StatusServiceUnavailable {
		switch {
		case p.ended < stopping:
			return wrong("status 503 before the tour was told to stop")
		case !p.answer.closes:
			return wrong("status 503 without Connection: close")
		}
		return nil
	}
	if want := p.wants(); p.answer.status != want {
		return wrong("status %d, want %d", p.answer.status, want)
	}
	if want := "/orders/" + p.order.invoice; !p.order.refused && p.answer.location != want {
		return wrong("status %d with Location %q, want %q", p.answer.status, p.answer.location, want)
	}
	return nil
}

// how tells over what sort of connection the order was posted, and whether for the first time.
func (p *posting) how() string {
	how := "over a new connection"
	if p.reused {
		how = "over a connection in use"
	}
	if p.repeated {
		how = "again " + how
	}
	return how
}

// wants is the status that the order demands, unless the tour is stopping.
func (p *posting) wants() int {
	switch {
	case p.order.refused:
		return http.StatusUnprocessableEntity
	case p.repeated:
		return http.StatusOK
	default:
		return http.StatusAccepted
	}
}

// checkEffects compares the effects with the orders that were accepted: each must be there once, and no other.
func (ev *evidence) checkEffects(effects []effect) []error {
	var errs []error
	posted, accepted := make(map[string]*order), make(map[string]bool)
	for i := range ev.postings {
		p := &ev.postings[i]
		posted[p.order.invoice] = p.order
		if p.isAccepted() {
			accepted[p.order.invoice] = true
		}
	}
	times := make(map[string]int)
	for _, e := range effects {
		times[e.Invoice]++
		o := posted[e.Invoice]
		switch {
		case o == nil:
			errs = append(errs, fmt.Errorf("order %s has an effect and was never posted", e.Invoice))
		case !accepted[e.Invoice]:
			errs = append(errs, fmt.Errorf("order %s has an effect and was not accepted", e.Invoice))
		case e != o.effect(e):
			errs = append(errs, fmt.Errorf("order %s: effect %+v, want %+v", e.Invoice, e, o.effect(e)))
		}
	}
	for i := range ev.postings {
		p := &ev.postings[i]
		n := times[p.order.invoice]
		if !p.isAccepted() || n == 1 {
			continue
		}
		times[p.order.invoice] = 1 // say it once
		errs = append(errs, fmt.Errorf("order %s of customer %q was accepted and has %d effects, want 1", p.order.invoice, p.order.customer, n))
	}
	return errs
}

// effect is the line that the order demands, at the time of e.
func (o *order) effect(e effect) effect {
	outcome := "processed"
	if o.person {
		outcome = "dead"
	}
	return effect{Invoice: o.invoice, Customer: o.customer, Outcome: outcome, Attempts: o.attempts(), Time: e.Time}
}

// checkOrder finds effects that stand behind one of the same customer that was sent after they had been accepted.
func (ev *evidence) checkOrder(effects []effect) []error {
	var errs []error
	accepted := make(map[string]*posting)
	for i := range ev.postings {
		if p := &ev.postings[i]; p.isAccepted() && accepted[p.order.invoice] == nil {
			accepted[p.order.invoice] = p
		}
	}
	latest := make(map[string]*posting) // by customer: of those whose effects came, the one that was sent last
	for _, e := range effects {
		p := accepted[e.Invoice]
		if p == nil {
			continue
		}
		before := latest[p.order.customer]
		if before != nil && p.ended < before.sent {
			errs = append(errs, fmt.Errorf("customer %q: the effect of order %s stands behind that of %s, which was sent after %[2]s had been accepted",
				p.order.customer, e.Invoice, before.order.invoice))
		}
		if before == nil || p.sent > before.sent {
			latest[p.order.customer] = p
		}
	}
	return errs
}
