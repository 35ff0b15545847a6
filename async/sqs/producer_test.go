package sqs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

func (r *rig) publisher(oo ...PublisherOptionFunc) async.Producer {
	r.Helper()
	p, err := NewPublisher(r.faults, r.queue, oo...)
	if err != nil {
		r.Fatal(err)
	}
	return p
}

// slow makes each request take so long.
func (r *rig) slow(d time.Duration) {
	r.faults.beforeAny = func(string, *string) error {
		time.Sleep(d)
		return nil
	}
}

func TestSendsAtTheSameTimeShareRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		r := newRig(t, source)
		p := r.publisher()
		r.slow(20 * time.Millisecond)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				if err := p.Send(t.Context(), message(strconv.Itoa(i), "")); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()

		if got, most := r.faults.calls["SendMessageBatch"], n/mostEntries+2; got > most {
			t.Errorf("%d sends took %d requests, want at most %d", n, got, most)
		}
		if got, _ := r.fake.counts(source); got != n {
			t.Errorf("%d messages are there, want %d", got, n)
		}
	})
}

func TestWhoSendsAloneDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		p := r.publisher(WithLinger(time.Second))
		began := time.Now()
		for i := range 5 {
			if err := p.Send(t.Context(), message(strconv.Itoa(i), "")); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("took %v, want no time", took)
		}
	})
}

func TestAMessageWaitsForOthersNoLongerThanTheLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		p := r.publisher(WithLinger(10 * time.Millisecond))
		if err := p.Send(t.Context(), message("first", "")); err != nil { // which finds the URL
			t.Fatal(err)
		}
		r.slow(time.Second)
		var both sync.WaitGroup
		began := time.Now()
		for i := range 2 {
			both.Go(func() {
				if err := p.Send(t.Context(), message(strconv.Itoa(i), "")); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if took, most := time.Since(began), time.Second+10*time.Millisecond; took > most {
			t.Errorf("two sends took %v, want at most %v: the second one does not wait for the answer to the first", took, most)
		}
	})
}

func TestWhoseContextEndsTakesBackWhatHasNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		p := r.publisher(WithLinger(time.Second))
		if err := p.Send(t.Context(), message("0", "")); err != nil {
			t.Fatal(err)
		}
		r.slow(500 * time.Millisecond)
		send := func(id string) error {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			return p.Send(ctx, message(id, ""))
		}
		gone := make(chan error, 1)
		go func() { gone <- send("gone") }()
		synctest.Wait()
		waiting := send("waiting")

		if err := <-gone; !errors.Is(err, async.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the one on its way: got %v, want ErrUnknown and the context's error", err)
		}
		if errors.Is(waiting, async.ErrUnknown) || !errors.Is(waiting, context.DeadlineExceeded) {
			t.Errorf("the one that waited: got %v, want the context's error, and not ErrUnknown", waiting)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n, _ := r.fake.counts(source); n != 2 {
			t.Errorf("%d messages are there, want 2", n)
		}
	})
}

func TestCloseSendsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		p := r.publisher(WithLinger(time.Second))
		if err := p.Send(t.Context(), message("0", "")); err != nil {
			t.Fatal(err)
		}
		r.slow(500 * time.Millisecond)
		errs := make(chan error, 2)
		for i := range 2 {
			go func() { errs <- p.Send(t.Context(), message(fmt.Sprint("late ", i), "")) }()
			synctest.Wait()
		}

		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := p.Close(ctx); !errors.Is(err, async.ErrUnknown) {
			t.Errorf("close in less time than it takes: got %v, want ErrUnknown", err)
		}
		cancel()
		if err := p.Close(t.Context()); err != nil || time.Since(began) > 600*time.Millisecond {
			t.Errorf("close: got %v after %v", err, time.Since(began))
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if err := p.Send(t.Context(), message("after", "")); !errors.Is(err, async.ErrClosed) {
			t.Errorf("send after close: got %v, want ErrClosed", err)
		}
	})
}

func TestAnAnswerThatDoesNotComeIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		p := r.publisher()
		r.faults.lose["SendMessageBatch"] = 1
		if err := p.Send(t.Context(), message("1", "")); !errors.Is(err, async.ErrUnknown) {
			t.Errorf("got %v, want ErrUnknown", err)
		}
		r.faults.beforeAny = func(string, *string) error { return &types.RequestThrottled{} }
		err := p.Send(t.Context(), message("2", ""))
		if errors.Is(err, async.ErrUnknown) || reliability.Classify(err) != reliability.ClassTransient {
			t.Errorf("throttled: got %v, want a transient error, and not ErrUnknown: it is not there", err)
		}
	})
}

func TestBatchesKeepTheLimitOfTheirBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		var mm []*async.Message
		for i := range 12 {
			m := message(strconv.Itoa(i), "")
			m.Data = bytes.Repeat([]byte("x"), 300<<10)
			mm = append(mm, m)
		}
		large := message("too large", "")
		large.Data = bytes.Repeat([]byte("x"), mostBytes)
		err := r.publisher().Send(t.Context(), append(mm, large)...)

		batch, ok := errors.AsType[*async.BatchError](err)
		if !ok || len(batch.Errors) != 1 || reliability.Classify(batch.Errors[12]) != reliability.ClassPermanent {
			t.Errorf("got %v, want the one that is too large refused for good", err)
		}
		if n, _ := r.fake.counts(source); n != 12 || r.faults.calls["SendMessageBatch"] != 4 {
			t.Errorf("%d messages in %d requests, want 12 in 4", n, r.faults.calls["SendMessageBatch"])
		}
	})
}

func TestNothingOfAGroupGoesOutBehindWhatWasNotConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fifo)
		var mm []*async.Message
		for i := range 25 {
			mm = append(mm, message(strconv.Itoa(i), "k"+strconv.Itoa(i%2)))
		}
		r.faults.skip = 4 // of k0, in the first batch

		err := r.publisher().Send(t.Context(), mm...)

		batch, ok := errors.AsType[*async.BatchError](err)
		if !ok {
			t.Fatalf("got %v, want a *BatchError", err)
		}
		for i := range mm {
			// What was in the same request SQS takes by itself.
			want := i == 4 || i > 9 && i%2 == 0
			if got := batch.Errors[i] != nil; got != want {
				t.Errorf("message %d: got %v, failed: want %t", i, batch.Errors[i], want)
			}
			if i > 9 && want && (!strings.Contains(batch.Errors[i].Error(), "not sent") || reliability.Classify(batch.Errors[i]) != reliability.ClassTransient) {
				t.Errorf("message %d: got %v, want it said that it was not sent, to be sent again", i, batch.Errors[i])
			}
		}
	})
}

func TestAReplaySoonAfterItsSendArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fifo)
		f := r.factory(WithDeadLetterQueue(dead))
		c, err := f.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := r.publisher()
		if err := p.Send(t.Context(), message("1", "k")); err != nil {
			t.Fatal(err)
		}
		if err := r.settle(c.(*consumer), async.Reject, r.receive(c.(*consumer), 1)[0]); err != nil {
			t.Fatal(err)
		}

		result, err := async.Replay(t.Context(), f.(async.DeadLetterKeeper).DeadLetters(), p)

		if err != nil || result.Removed != 1 {
			t.Fatalf("got %+v, %v", result, err)
		}
		if n, _ := r.fake.counts(fifo); n != 1 {
			t.Errorf("after the replay %d messages are there, want 1: deduplication must not drop it", n)
		}
		for range 2 { // the same again, after an answer that did not come
			if err := p.Send(t.Context(), message("2", "k")); err != nil {
				t.Fatal(err)
			}
		}
		if n, _ := r.fake.counts(fifo); n != 2 {
			t.Errorf("after a message was sent twice with its ID %d are there, want 2", n)
		}
	})
}

func TestTheTraceGoesToXRayIfItIsToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		m := message("1", "")
		m.Headers.Set("traceparent", "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01")
		if err := r.publisher(WithXRay()).Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		want := xray(m.Headers.Get("traceparent"))
		if got := r.fake.queues[source].messages[0].system["AWSTraceHeader"]; got != want || want == "" {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func (r *rig) bury(n int) *letters {
	r.Helper()
	c := r.open(WithDeadLetterQueue(dead))
	for i := range n {
		r.send(message(strconv.Itoa(i), ""))
		if err := r.settle(c, async.Reject, r.receive(c, 1)[0]); err != nil {
			r.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	return c.dead
}

func TestALongListingGoesOnInRoundsAndGivesEverythingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = roundLetters + 30
		r := newRig(t, source)
		letters := r.bury(n)
		seen := 0
		for l, err := range letters.List(t.Context(), async.DeadFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if want := strconv.Itoa(seen); l.Message.ID != want {
				t.Fatalf("letter %d: got %q", seen, l.Message.ID)
			}
			seen++
			time.Sleep(time.Second) // longer together than they are hidden at once
		}
		all, held := r.fake.counts(dead)
		if seen != n || all != n || held != 0 {
			t.Errorf("listed %d of %d letters; %d are there, %d of them hidden, want all and none", seen, n, all, held)
		}
	})
}

func TestALetterThatSomebodyElseLooksAtIsNotTakenForRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		mine := r.bury(3)
		var old *async.DeadLetter
		for l := range mine.List(t.Context(), async.DeadFilter{}) {
			old = l
		}
		theirs := newLetters(r.faults, &queue{name: dead}) // another process
		for range theirs.List(t.Context(), async.DeadFilter{}) {
			err := mine.Remove(t.Context(), old)
			if batch, ok := errors.AsType[*async.BatchError](err); !ok || !errors.Is(batch.Errors[0], errHidden) {
				t.Errorf("got %v, want it said that somebody else looks", err)
			}
			break
		}
		if err := mine.Remove(t.Context(), old); err != nil {
			t.Error(err)
		}
		if n, _ := r.fake.counts(dead); n != 2 {
			t.Errorf("%d letters are left, want 2", n)
		}
	})
}

func TestALetterOfAnEarlierListingIsRemovedDuringALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		letters := r.bury(3)
		var old *async.DeadLetter
		for l := range letters.List(t.Context(), async.DeadFilter{}) {
			old = l
		}
		for range letters.List(t.Context(), async.DeadFilter{}) {
			if err := letters.Remove(t.Context(), old, nil); err != nil {
				t.Error(err)
			}
		}
		if n, _ := r.fake.counts(dead); n != 2 {
			t.Errorf("%d letters are left, want 2", n)
		}
	})
}
