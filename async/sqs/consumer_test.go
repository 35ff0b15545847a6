package sqs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/reliability"
)

const (
	source = "orders"
	fifo   = "orders.fifo"
	dead   = "orders-dead"
)

// rig is a fake with faults before it.
type rig struct {
	*testing.T
	fake   *fake
	faults *faults
	queue  string
}

func newRig(t *testing.T, queue string) *rig {
	t.Helper()
	f := newFake(queue, dead)
	return &rig{T: t, fake: f, faults: newFaults(f, queue, dead), queue: queue}
}

func (r *rig) factory(oo ...OptionFunc) async.ConsumerFactory {
	r.Helper()
	f, err := New(r.faults, r.queue, oo...)
	if err != nil {
		r.Fatal(err)
	}
	return f
}

func (r *rig) open(oo ...OptionFunc) *consumer {
	r.Helper()
	c, err := r.factory(oo...).Create(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return c.(*consumer)
}

func (r *rig) send(mm ...*async.Message) {
	r.Helper()
	p, err := NewPublisher(r.fake, r.queue)
	if err != nil {
		r.Fatal(err)
	}
	if err := p.Send(r.Context(), mm...); err != nil {
		r.Fatal(err)
	}
}

func message(id, key string) *async.Message {
	return &async.Message{ID: id, Key: []byte(key), Data: []byte(id)}
}

func (r *rig) receive(c *consumer, limit int) []*async.Message {
	r.Helper()
	mm, err := c.Receive(r.Context(), limit)
	if err != nil {
		r.Fatal(err)
	}
	return mm
}

func (r *rig) settle(c *consumer, v async.Verdict, m *async.Message) error {
	r.Helper()
	ss := []async.Settlement{{Message: m, Verdict: v, Cause: errors.New("poison")}}
	if err := c.Settle(r.Context(), ss); err != nil {
		r.Fatal(err)
	}
	return ss[0].Err
}

func TestAWaitThatIsLongerThanTheGracePeriodIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, source)
	for name, tc := range map[string]struct {
		ctx  context.Context
		wait time.Duration
		want string // "": no error
	}{
		"as long":           {component.WithGrace(t.Context(), 5*time.Second, nil), 5 * time.Second, ""},
		"longer":            {component.WithGrace(t.Context(), 5*time.Second, nil), 6 * time.Second, "wait 6s, longer than the grace period, 5s"},
		"without a service": {t.Context(), 11 * time.Second, "wait 11s, longer than the grace period, 10s"},
	} {
		c, err := r.factory(WithWait(tc.wait)).Create(tc.ctx)
		switch {
		case tc.want == "" && err == nil:
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
		case tc.want == "" || err == nil || !strings.Contains(err.Error(), tc.want) || reliability.Classify(err) != reliability.ClassPermanent:
			t.Errorf("%s: got %v, want %q, for good", name, err, tc.want)
		}
	}
}

func TestAStopInTheMiddleOfAPollHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		c := r.open()
		ctx, stop := context.WithCancel(t.Context())
		type result struct {
			mm  []*async.Message
			err error
		}
		done := make(chan result, 1)
		go func() {
			mm, err := c.Receive(ctx, 10)
			done <- result{mm, err}
		}()
		synctest.Wait()

		stop()
		time.Sleep(time.Second)
		r.send(message("1", ""))
		got := <-done

		if len(got.mm) != 1 || got.err != nil {
			t.Fatalf("got %v, %v, want the message that came within the wait", got.mm, got.err)
		}
		if err := r.settle(c, async.Release, got.mm[0]); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		again := r.receive(r.open(), 10)
		if took := time.Since(began); again[0].ID != "1" || took > 0 {
			t.Errorf("another consumer got %q after %v, want it at once", again[0].ID, took)
		}
	})
}

func TestAnAnswerThatIsLostDoesNotLockItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fifo)
		r.send(message("1", "k"), message("2", "k"))
		r.faults.lose["ReceiveMessage"] = 1
		c := r.open()

		began := time.Now()
		mm := r.receive(c, 10)

		if took := time.Since(began); took > time.Second {
			t.Errorf("received after %v, want it soon: the visibility time is %v", took, c.config.visibility)
		}
		if len(mm) != 2 || mm[0].Deliveries != 1 || mm[0].Attempt != 0 {
			t.Errorf("got %d messages, the first with %d deliveries and attempt %d, want both at their first delivery", len(mm), mm[0].Deliveries, mm[0].Attempt)
		}
		for _, m := range mm {
			if err := r.settle(c, async.Ack, m); err != nil {
				t.Errorf("ack message %q: %v", m.ID, err)
			}
		}
		if all, _ := r.fake.counts(fifo); all != 0 {
			t.Errorf("%d messages are left, want none", all)
		}
	})
}

func TestAShortOutageCancelsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		r.send(message("1", ""))
		var cancelled atomic.Bool
		started, runs := make(chan struct{}), make(chan struct{})
		c, err := async.New("orders", r.factory(), func(ctx context.Context, _ *async.Message) error {
			close(started)
			select {
			case <-runs:
			case <-ctx.Done():
				cancelled.Store(true)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(plog.WithContext(t.Context(), plog.New(plog.JSON(io.Discard, nil))))
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		<-started

		r.faults.takeDown()
		time.Sleep(10 * time.Second)
		if err := c.Check(ctx); err == nil || !strings.Contains(err.Error(), "receive from orders") {
			t.Errorf("check while SQS is out of reach: got %v, want why", err)
		}
		r.faults.bringUp()
		time.Sleep(maxPause + 5*time.Second) // the next call that finds nothing
		if err := c.Check(ctx); err != nil {
			t.Errorf("check afterwards: got %v, want nil", err)
		}
		close(runs)
		time.Sleep(time.Second)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}

		if all, _ := r.fake.counts(source); all != 0 || cancelled.Load() {
			t.Errorf("%d messages are left, cancelled: %t, want the handler to have finished, and its message deleted", all, cancelled.Load())
		}
	})
}

func TestALongOutageEndsTheConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		c := r.open()
		r.faults.takeDown()

		began := time.Now()
		_, err := c.Receive(t.Context(), 1)

		if took := time.Since(began); err == nil || took < c.config.visibility || took > c.config.visibility+maxPause {
			t.Errorf("got %v after %v, want an error when the visibility time is over, %v", err, took, c.config.visibility)
		}
	})
}

func TestAnExtensionDoesNotHideWhatGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		r.send(message("1", ""))
		c := r.open()
		m := r.receive(c, 1)[0]
		extending, extended := make(chan struct{}), make(chan struct{})
		first := true
		r.faults.beforeAny = func(call string, _ *string) error {
			if call == "ChangeMessageVisibilityBatch" && first {
				first = false
				close(extending)
				<-extended
			}
			return nil
		}
		go func() {
			if err := c.Extend(t.Context(), []*async.Message{m}); err != nil {
				t.Errorf("extend: %v", err)
			}
		}()
		<-extending

		released := make(chan error, 1)
		go func() { released <- r.settle(c, async.Release, m) }()
		synctest.Wait()
		select {
		case <-released:
			t.Error("it was released while its extension was under way")
		default:
		}
		close(extended)
		if err := <-released; err != nil {
			t.Fatal(err)
		}

		began := time.Now()
		if again := r.receive(c, 1); again[0].ID != "1" || time.Since(began) > 0 {
			t.Errorf("it came back after %v, want it at once", time.Since(began))
		}
	})
}

func TestAMessageIsHeldForTwelveHoursAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		r.send(message("1", ""))
		c := r.open(WithVisibility(time.Hour))
		m := r.receive(c, 1)[0]

		var err error
		began := time.Now()
		for err == nil && time.Since(began) < 24*time.Hour {
			time.Sleep(30 * time.Minute)
			err = c.Extend(t.Context(), []*async.Message{m})
		}

		if held := time.Since(began); !errors.Is(err, async.ErrLost) || held != mostVisibility || !m.Claim.Lost() {
			t.Errorf("got %v after %v, claim lost: %t, want ErrLost after %v", err, held, m.Claim.Lost(), mostVisibility)
		}
		if again := r.receive(c, 1)[0]; again.ID != "1" {
			t.Errorf("got %q", again.ID)
		}
	})
}

func TestWhatIsDoneIsDeletedThoughItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		r.send(message("1", ""), message("2", ""))
		c := r.open()
		mm := r.receive(c, 2)
		time.Sleep(time.Minute) // the process was halted

		if err := r.settle(c, async.Ack, mm[0]); err != nil {
			t.Errorf("ack: got %v, want it deleted, since nobody else has it", err)
		}
		if err := r.settle(c, async.Release, mm[1]); !errors.Is(err, async.ErrLost) || !mm[1].Claim.Lost() {
			t.Errorf("release: got %v, want ErrLost", err)
		}
		if all, _ := r.fake.counts(source); all != 1 {
			t.Errorf("%d messages are left, want 1", all)
		}
	})
}

func TestADelayIsCutWhereSQSEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		r.send(message("1", ""))
		c := r.open(WithVisibility(time.Hour))
		m := r.receive(c, 1)[0]
		time.Sleep(30 * time.Minute)
		ss := []async.Settlement{{Message: m, Verdict: async.Retry, Delay: mostVisibility}}
		if err := c.Settle(t.Context(), ss); err != nil || ss[0].Err != nil {
			t.Fatalf("got %v, %v, want it taken", err, ss[0].Err)
		}
		began := time.Now()
		r.receive(c, 1)
		if waited := time.Since(began); waited < 11*time.Hour {
			t.Errorf("it came back after %v, want nearly 12 h", waited)
		}
	})
}

func TestTheRedrivePolicyMustLeaveRoomForTheTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for policy, want := range map[string]string{
			``: "", `{"maxReceiveCount":13}`: "", `{"maxReceiveCount":"13"}`: "", `no JSON`: "",
			`{"maxReceiveCount":12}`: "want a maxReceiveCount of 13 or more", `{"maxReceiveCount":"3"}`: "after 3 deliveries, component orders tries it 3 times",
		} {
			r := newRig(t, source)
			r.fake.queues[source].redrive = policy
			planned, err := r.factory(WithDeadLetterQueue(dead)).(async.Planner).Plan(async.Plan{Component: "orders", MaxHeld: 8, Attempts: 3})
			if err != nil {
				t.Fatal(err)
			}
			_, err = planned.Create(t.Context())
			switch {
			case want == "" && err != nil:
				t.Errorf("policy %s: got %v, want nil", policy, err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want) || reliability.Classify(err) != reliability.ClassPermanent):
				t.Errorf("policy %s: got %v, want a permanent error that says %q", policy, err, want)
			}
		}
	})
}

func TestWhoMayNotAskForAttributesGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		r.faults.beforeAny = func(call string, _ *string) error {
			if call == "GetQueueAttributes" {
				return &smithy.GenericAPIError{Code: "AccessDenied", Message: "not authorized"}
			}
			return nil
		}
		var log bytes.Buffer
		c, err := r.factory().Create(plog.WithContext(t.Context(), plog.New(plog.JSON(&log, nil))))
		if err != nil {
			t.Fatalf("got %v, want a consumer", err)
		}
		if !strings.Contains(log.String(), "sqs:GetQueueAttributes") {
			t.Errorf("got the log %s, want a warning that names the permission", &log)
		}
		r.send(message("1", ""))
		if mm := r.receive(c.(*consumer), 1); len(mm) != 1 {
			t.Error("want the message")
		}
		if _, err := c.(async.Lagger).Lag(t.Context()); err == nil || !strings.Contains(err.Error(), "the policy must allow sqs:GetQueueAttributes") {
			t.Errorf("lag: got %v, want the permission named", err)
		}
	})
}

func TestRedriveLetsAGroupPassItsPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fifo)
		r.fake.queues[fifo].most, r.fake.queues[fifo].dead = 3, dead
		c := r.open()
		r.send(message("poison", "k"), message("next", "k"))

		got := make(map[string]int)
		for got["next"] == 0 {
			for _, m := range r.receive(c, 1) {
				got[m.ID]++
				verdict := async.Ack
				if m.ID == "poison" {
					verdict = async.Release
				}
				if err := r.settle(c, verdict, m); err != nil {
					t.Fatal(err)
				}
			}
		}

		if got["poison"] != 3 {
			t.Errorf("the poison came %d times, want 3", got["poison"])
		}
		letters := newLetters(r.fake, &queue{name: dead})
		l, err := letters.Get(t.Context(), "poison")
		if err != nil || l.Origin != fifo || !strings.Contains(l.Cause, "redrive") || l.Time.IsZero() {
			t.Errorf("got %+v, %v, want a letter from %s", l, err, fifo)
		}
	})
}

func TestErrorsNameTheQueueAndWhatIsToBeDone(t *testing.T) {
	t.Parallel()
	q := &queue{name: source}
	const token = "x-amz-security-token:SECRET"
	for name, tc := range map[string]struct {
		err   error
		want  string
		class reliability.Class
	}{
		"wrong queue":      {&types.QueueDoesNotExist{}, "orders: there is no such queue in this account and region", reliability.ClassPermanent},
		"other spelling":   {&smithy.GenericAPIError{Code: "AWS.SimpleQueueService.NonExistentQueue"}, "there is no such queue", reliability.ClassPermanent},
		"no permission":    {&smithy.GenericAPIError{Code: "AccessDenied"}, "access denied, the policy must allow sqs:ReceiveMessage", reliability.ClassPermanent},
		"no key":           {&types.KmsAccessDenied{}, "access denied", reliability.ClassPermanent},
		"wrong secret":     {&smithy.GenericAPIError{Code: "SignatureDoesNotMatch", Message: token}, "the signature is not accepted", reliability.ClassPermanent},
		"wrong key":        {&smithy.GenericAPIError{Code: "InvalidClientTokenId"}, "the credentials are not accepted", reliability.ClassPermanent},
		"throttled":        {&types.RequestThrottled{}, "receive from orders", reliability.ClassTransient},
		"too many held":    {&types.OverLimit{}, "receive from orders", reliability.ClassTransient},
		"server":           {&smithy.GenericAPIError{Code: "InternalFailure", Fault: smithy.FaultServer}, "InternalFailure", reliability.ClassTransient},
		"connection":       {io.ErrUnexpectedEOF, "sqs: receive from orders: operation error SQS: unexpected EOF", reliability.ClassTransient},
		"expired sessions": {&smithy.GenericAPIError{Code: "ExpiredToken"}, "ExpiredToken", reliability.ClassTransient},
	} {
		err := q.errorf("receive from", "ReceiveMessage", fmt.Errorf("operation error SQS: %w", tc.err))
		if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "SECRET") || !errors.Is(err, tc.err) {
			t.Errorf("%s: got %q, want it to say %q and no secret", name, err, tc.want)
		}
		if got := reliability.Classify(err); got != tc.class {
			t.Errorf("%s: got class %v, want %v", name, got, tc.class)
		}
	}
}

func TestAMissingQueueIsPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, name := range []string{"missing", fakeURL + "missing", "arn:aws:sqs:eu-west-1:000000000000:missing"} {
			f, err := New(newFake(source), name)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Create(t.Context())
			if err == nil || !strings.Contains(err.Error(), "missing: there is no such queue") || reliability.Classify(err) != reliability.ClassPermanent {
				t.Errorf("%s: got %v, want a permanent error that names the queue", name, err)
			}
		}
	})
}

func TestADeadLetterThatIsWrittenIsNotWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		r.send(message("1", ""))
		c := r.open(WithDeadLetterQueue(dead))
		m := r.receive(c, 1)[0]
		r.faults.lose["DeleteMessageBatch"] = 2

		for try := range 2 {
			if err := r.settle(c, async.Reject, m); err == nil || errors.Is(err, async.ErrLost) {
				t.Fatalf("try %d: got %v, want an error that can be repeated", try, err)
			}
		}
		if err := r.settle(c, async.Reject, m); err != nil {
			t.Fatal(err)
		}
		if n, _ := r.fake.counts(dead); n != 1 {
			t.Errorf("got %d letters, want 1", n)
		}
	})
}

func TestACauseThatIsTooLongIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		large := message("large", "k")
		large.Data = bytes.Repeat([]byte("x"), mostBytes-1000)
		r.send(large)
		c := r.open(WithDeadLetterQueue(dead))
		m := r.receive(c, 1)[0]
		ss := []async.Settlement{{Message: m, Verdict: async.Reject, Cause: errors.New(strings.Repeat("ü", mostBytes))}}
		if err := c.Settle(t.Context(), ss); err != nil || ss[0].Err != nil {
			t.Fatalf("got %v, %v", err, ss[0].Err)
		}
		l, err := newLetters(r.fake, &queue{name: dead}).Get(t.Context(), "large")
		if err != nil || len(l.Cause) != 200 || len(l.Message.Data) != len(large.Data) {
			t.Errorf("got %v, a cause of %d bytes, want 200", err, len(l.Cause))
		}
	})
}

func TestAShuffledQueueIsEmptiedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		r := newRig(t, source)
		r.fake.queues[source].shuffled = true
		for i := range n {
			r.send(message(strconv.Itoa(i), ""))
		}
		var count atomic.Int64
		c, err := async.New("orders", r.factory(), func(_ context.Context, m *async.Message) error {
			if count.Add(1); m.Attempt == 1 && count.Load()%5 == 0 {
				return errors.New("not yet")
			}
			return nil
		}, async.WithConcurrency(8), async.WithTries(1), async.WithDelays(time.Second), async.WithFailureStrategy(async.NackStrategy))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(plog.WithContext(t.Context(), plog.New(plog.JSON(io.Discard, nil))))
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		time.Sleep(time.Minute)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if all, _ := r.fake.counts(source); all != 0 || count.Load() <= n {
			t.Errorf("%d messages are left after %d starts, want none after more than %d", all, count.Load(), n)
		}
	})
}

func TestReceiversShareWhatMayBeHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, source)
		planned, err := r.factory(WithReceivers(4)).(async.Planner).Plan(async.Plan{Component: "orders", MaxHeld: 8, Attempts: 3})
		if err != nil {
			t.Fatal(err)
		}
		c, err := planned.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			r.send(message(strconv.Itoa(i), ""))
		}
		if mm := r.receive(c.(*consumer), 8); len(mm) != 2 {
			t.Errorf("one of 4 receivers with 8 held at most got %d messages, want 2", len(mm))
		}
	})
}
