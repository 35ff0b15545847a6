package drain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// maxKillAfter bounds the time between the first byte posted and the SIGKILL.
const maxKillAfter = 1500 * time.Millisecond

// Bounds of the second life of a killed tour.
const (
	firstEffect   = 5 * time.Second  // from its start to the first effect of what its first life had accepted
	sqsVisibility = 10 * time.Second // of the tour: so long SQS hides what a process that is gone had received, and a second more
	allEffects    = 60 * time.Second
)

// firstEffectOn returns how long the first effect may take on a broker.
func firstEffectOn(broker string) time.Duration {
	if strings.HasPrefix(broker, "sqs:") {
		return sqsVisibility + time.Second
	}
	return firstEffect
}

// runKilled starts the tour on a directory, loads it, kills it with SIGKILL, starts it again on the same directory, posts again what had no answer, and checks
// that nothing was lost and nothing counted twice. broker is what -broker gets; "" is the default.
func runKilled(ctx context.Context, p plan, binary, dir, broker string, items []item) (tally, error) {
	effects := filepath.Join(dir, "effects.ndjson")
	args := []string{"-effects", effects, "-data", filepath.Join(dir, "data")}
	if broker != "" {
		args = append(args, "-broker", broker)
	}
	first, err := startTour(ctx, binary, args...)
	if err != nil {
		return tally{}, err
	}
	defer first.kill()
	l := newLoader(first.addr, p, items)
	loaded := make(chan outcome, 1)
	go func() {
		postings, err := l.run(ctx)
		loaded <- outcome{postings, err}
	}()
	select {
	case <-l.began:
	case <-first.exited:
	case <-ctx.Done():
	}
	after := time.NewTimer(p.killAfter())
	defer after.Stop()
	select {
	case <-after.C:
	case <-first.exited:
	case <-ctx.Done():
	}
	first.kill()
	made := <-loaded
	if made.err != nil {
		return tally{}, made.err
	}

	k := killed{postings: made.postings, patience: firstEffectOn(broker)}
	before, err := os.ReadFile(effects) //nolint:gosec // we named it
	if err != nil {
		return tally{}, err
	}
	k.before = wholeLines(before)
	second, err := startTour(ctx, binary, args...)
	if err != nil {
		return k.tally(), fmt.Errorf("the second start: %w", err)
	}
	defer second.kill()
	err = k.live(ctx, second, effects)
	_, stopErr := second.stop(p.signal, exitLimit)
	content, readErr := os.ReadFile(effects) //nolint:gosec // we named it
	errs := append([]error{err, stopErr, readErr}, k.check(content)...)
	if err := errors.Join(errs...); err != nil {
		return k.tally(), fmt.Errorf("%w\nthe second life said at the end:\n%s", err, second.said())
	}
	return k.tally(), nil
}

// killed is what is known of a tour with two lives.
type killed struct {
	postings []posting // in the order of sending, those of both lives
	patience time.Duration
	before   []byte  // whole lines of the effects file when the first life had ended
	summary  summary // at the end of the second
}

// summary is the answer of GET /summary.
type summary struct {
	Accepted   int    `json:"accepted"`
	Waiting    int    `json:"waiting"`
	Processing int    `json:"processing"`
	Processed  int    `json:"processed"`
	Dead       int    `json:"dead"`
	Value      string `json:"value"`
}

func wholeLines(content []byte) []byte {
	for i := len(content); i > 0; i-- {
		if content[i-1] == '\n' {
			return content[:i]
		}
	}
	return nil
}

func (k *killed) tally() tally {
	ev := evidence{postings: k.postings}
	return ev.tally(0)
}

// accepted returns the orders that are certain, each once.
func (k *killed) accepted() map[string]*order {
	orders := make(map[string]*order)
	for i := range k.postings {
		if p := &k.postings[i]; p.fate == answered && (p.answer.status == http.StatusAccepted || p.answer.status == http.StatusOK) {
			orders[p.order.invoice] = p.order
		}
	}
	return orders
}

// live posts what had no answer, waits until nothing waits, and asks for the summary.
func (k *killed) live(ctx context.Context, t *tour, effects string) error {
	began := time.Now()
	done := make(map[string]bool)
	if lines, _ := parseEffects(k.before); len(lines) > 0 {
		for _, e := range lines {
			done[e.Invoice] = true
		}
	}
	left := false
	for invoice := range k.accepted() {
		left = left || !done[invoice]
	}
	if left {
		if err := k.grows(ctx, effects, began); err != nil {
			return err
		}
	}
	if err := k.repost(ctx, t); err != nil {
		return err
	}
	for {
		var err error
		if k.summary, err = ask(ctx, t.addr); err != nil {
			return err
		}
		if k.summary.Waiting+k.summary.Processing == 0 {
			return nil
		}
		if time.Since(began) > allEffects {
			return fmt.Errorf("%+v %v after the second start: want nothing waiting", k.summary, allEffects)
		}
		wait(ctx, 20*time.Millisecond)
	}
}

// grows waits for an effect of what the first life had left.
func (k *killed) grows(ctx context.Context, effects string, began time.Time) error {
	for {
		content, err := os.ReadFile(effects) //nolint:gosec // we named it
		if err != nil {
			return err
		}
		if len(wholeLines(content)) > len(k.before) {
			return nil
		}
		if took := time.Since(began); took > k.patience {
			return fmt.Errorf("orders are left and there is no effect %v after the second start", took)
		}
		wait(ctx, 10*time.Millisecond)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// repost posts what had no answer. The loader stops a customer's line there, so it is at most one order of each.
func (k *killed) repost(ctx context.Context, t *tour) error {
	w := &wire{addr: t.addr}
	defer w.close()
	moment := int64(0)
	for i := range k.postings {
		moment = max(moment, k.postings[i].ended)
	}
	for _, p := range k.postings {
		if p.fate == answered {
			continue
		}
		if !w.isOpen() {
			if err := w.open(ctx); err != nil {
				return err
			}
		}
		again := posting{order: p.order, repeated: true, sent: moment + 1, ended: moment + 2}
		moment += 2
		if again.answer, again.fate, again.err = w.post(p.order.body); again.fate != answered {
			return fmt.Errorf("order %s, posted again: %v: %w", p.order.invoice, again.fate, again.err)
		}
		switch got := again.answer.status; {
		case p.order.refused && got == http.StatusUnprocessableEntity:
		case !p.order.refused && (got == http.StatusAccepted || got == http.StatusOK):
		default:
			return fmt.Errorf("order %s, posted again: status %d", p.order.invoice, got)
		}
		k.postings = append(k.postings, again)
	}
	return nil
}

// ask gets the summary.
func ask(ctx context.Context, addr string) (summary, error) {
	var s summary
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/summary", http.NoBody)
	if err != nil {
		return s, err
	}
	req.Close = true
	resp, err := new(http.Client).Do(req)
	if err != nil {
		return s, err
	}
	err = json.NewDecoder(resp.Body).Decode(&s)
	return s, errors.Join(err, resp.Body.Close())
}

// check returns everything that the two lives did against the contract.
func (k *killed) check(content []byte) []error {
	effects, errs := parseEffects(content)
	orders := k.accepted()
	first := make(map[string]effect)
	var firsts []effect
	for _, e := range effects {
		switch before, ok := first[e.Invoice]; {
		case !ok:
			first[e.Invoice] = e
			firsts = append(firsts, e)
		case before != e:
			errs = append(errs, fmt.Errorf("order %s has the effects %+v and %+v: want equal lines", e.Invoice, before, e))
		}
	}
	want := summary{Accepted: len(orders)}
	pence := 0
	for invoice, o := range orders {
		e, ok := first[invoice]
		outcome := "processed"
		if o.person {
			outcome = "dead"
			want.Dead++
		} else {
			want.Processed++
			pence += o.pence
		}
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("order %s of customer %q was accepted and has no effect", invoice, o.customer))
		case e.Outcome != outcome || e.Customer != o.customer || e.Attempts < o.attempts():
			errs = append(errs, fmt.Errorf("order %s of customer %q: effect %+v, want it %s after %d attempts or more", invoice, o.customer, e, outcome, o.attempts()))
		}
	}
	for invoice := range first {
		if orders[invoice] == nil {
			errs = append(errs, fmt.Errorf("order %s has an effect and was not accepted", invoice))
		}
	}
	want.Value = fmt.Sprintf("%d.%02d", pence/100, pence%100)
	if k.summary != want {
		errs = append(errs, fmt.Errorf("summary: got %+v, want %+v", k.summary, want))
	}
	ev := evidence{postings: k.decided()}
	return append(errs, ev.checkOrder(firsts)...)
}

// decided returns the accepted postings. One that had its answer only in the second life was accepted somewhere between its first sending and that answer.
func (k *killed) decided() []posting {
	sent := make(map[string]int64)
	var pp []posting
	for _, p := range k.postings {
		if at, ok := sent[p.order.invoice]; ok {
			p.sent = at
		}
		sent[p.order.invoice] = p.sent
		if p.fate == answered && p.answer.status == http.StatusOK {
			p.answer.status = http.StatusAccepted
		}
		if p.isAccepted() {
			pp = append(pp, p)
		}
	}
	return pp
}

// killAfter is when the first life is over: later than a stop would be.
func (p plan) killAfter() time.Duration {
	return time.Duration(float64(p.stopAfter) / float64(maxStopAfter) * float64(maxKillAfter))
}

// killString tells which life is over when.
func (p plan) killString() string {
	return "seed " + strconv.FormatUint(p.seed, 10) + ": killed after " + p.killAfter().String()
}
