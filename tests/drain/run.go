package drain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// exitLimit bounds the time from the signal to the exit: grace period, settling and flush of the tour, and two seconds for a busy machine.
const exitLimit = 17 * time.Second

// tally counts what happened in runs.
type tally struct {
	accepted, repeated, refused, unavailable int // answers 202, 200, 422, 503
	refusedConns, resetConns, closedIdle     int
	slowestStop                              time.Duration
}

func (t *tally) add(other tally) {
	t.accepted += other.accepted
	t.repeated += other.repeated
	t.refused += other.refused
	t.unavailable += other.unavailable
	t.refusedConns += other.refusedConns
	t.resetConns += other.resetConns
	t.closedIdle += other.closedIdle
	t.slowestStop = max(t.slowestStop, other.slowestStop)
}

func (t *tally) String() string {
	return fmt.Sprintf("%d accepted, %d of them posted again, %d with faults, %d answered 503, "+
		"%d refused connections, %d reset, %d closed while idle, slowest stop %v",
		t.accepted, t.repeated, t.refused, t.unavailable, t.refusedConns, t.resetConns, t.closedIdle, t.slowestStop.Round(time.Millisecond))
}

func (t *tally) count(p *posting) {
	switch p.fate {
	case refused:
		t.refusedConns++
	case reset:
		t.resetConns++
	case answered:
		switch p.answer.status {
		case http.StatusAccepted:
			t.accepted++
		case http.StatusOK:
			t.repeated++
		case http.StatusUnprocessableEntity:
			t.refused++
		case http.StatusServiceUnavailable:
			t.unavailable++
		}
	case lost, cut: // violations
	}
}

// run starts the tour, loads it, stops it and checks what it did. dir is for the files of this run. The error says all that was wrong.
func run(ctx context.Context, p plan, binary, dir string, items []item) (tally, error) {
	effects, traces := filepath.Join(dir, "effects.ndjson"), filepath.Join(dir, "traces.ndjson")
	args := []string{"-effects", effects}
	if p.traces {
		args = append(args, "-traces", traces)
	}
	t, err := startTour(ctx, binary, args...)
	if err != nil {
		return tally{}, err
	}
	defer t.kill()

	ev, took, err := loadAndStop(ctx, p, t, items)
	errs := []error{err}
	content, err := os.ReadFile(effects) //nolint:gosec // we named it
	errs = append(errs, err)
	ev.effects = content
	errs = append(errs, ev.check()...)
	if t.stdout.Len() > 0 {
		errs = append(errs, fmt.Errorf("standard output: %.200q, want nothing", t.stdout.Bytes()))
	}
	if p.traces {
		errs = append(errs, checkTraces(traces))
	}
	if err := errors.Join(errs...); err != nil {
		return ev.tally(took), fmt.Errorf("%w\nthe tour said at the end:\n%s", err, t.said())
	}
	return ev.tally(took), nil
}

// outcome is what the loader did.
type outcome struct {
	postings []posting
	err      error
}

// loadAndStop posts, sends the signal meanwhile, and waits until the tour has ended and nothing is on the wire.
func loadAndStop(ctx context.Context, p plan, t *tour, items []item) (evidence, time.Duration, error) {
	loading, cancel := context.WithCancel(ctx)
	defer cancel()
	l := newLoader(t.addr, p, items)
	loaded := make(chan outcome, 1)
	go func() {
		postings, err := l.run(loading)
		loaded <- outcome{postings, err}
	}()
	select {
	case <-l.began:
	case <-t.exited:
	case <-ctx.Done():
	}
	timer := time.NewTimer(p.stopAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.exited:
	case <-ctx.Done():
	}
	stopping := l.now()
	took, stopErr := t.stop(p.signal, exitLimit)
	cancel()
	made := <-loaded
	return evidence{postings: made.postings, stopping: stopping, closedIdle: int(l.closedIdle.Load())}, took, errors.Join(stopErr, made.err)
}

// tally counts the postings.
func (ev *evidence) tally(took time.Duration) tally {
	t := tally{closedIdle: ev.closedIdle, slowestStop: took}
	for i := range ev.postings {
		t.count(&ev.postings[i])
	}
	return t
}

// checkTraces says whether the file is whole JSON lines, and not empty.
func checkTraces(path string) error {
	content, err := os.ReadFile(path) //nolint:gosec // we named it
	if err != nil {
		return err
	}
	if len(content) == 0 || content[len(content)-1] != '\n' {
		return errors.New("traces: the file does not end with a whole line")
	}
	number := 0
	for line := range bytes.Lines(content) {
		number++
		if !json.Valid(line) {
			return fmt.Errorf("traces: line %d is no JSON: %.200q", number, line)
		}
	}
	return nil
}
