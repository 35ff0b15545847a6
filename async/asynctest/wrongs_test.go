package asynctest

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
)

func wrongBrokers() map[string]wrongBroker {
	all := make(map[string]wrongBroker)
	for _, some := range []map[string]wrongBroker{
		wrongReceivers(), wrongSettlers(), wrongHolders(), wrongStoppers(), wrongSenders(), wrongLogs(), wrongSchedulers(), wrongKeepers(),
	} {
		maps.Copy(all, some)
	}
	return all
}

// wrongReceivers are wrong in what they give.
func wrongReceivers() map[string]wrongBroker {
	return map[string]wrongBroker{
		"loses every third message": {tamper: tamper{receive: loseThird}, caught: []string{
			"receive gives every message once", "every message is processed once when all is well", "every message is processed once in batches",
			"a message that fails is tried again, and its key waits", "a message that panics is tried again, and others go on",
			"two components share the messages and keep the order of a key", "a component that is stopped leaves no goroutine, and can be followed by another",
		}},
		"gives every third message twice": {tamper: tamper{receive: twiceThird}, caught: []string{
			"receive gives every message once", "two consumers share the messages", "every message is processed once when all is well",
			"every message is processed once in batches",
		}},
		"gives more than it should": {
			tamper: tamper{receive: func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
				return c.driver.Receive(ctx, limit+1)
			}},
			caught: []string{"receive gives no more than its limit"},
		},
		"returns without anything": {
			tamper: tamper{receive: func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
				if c.n++; c.n == 1 {
					return nil, nil
				}
				return c.driver.Receive(ctx, limit)
			}},
			caught: []string{"receive blocks until a message comes"},
		},
		"turns each batch around": {
			tamper: tamper{receive: change(func(_ *tampered, mm []*async.Message) { slices.Reverse(mm) })},
			caught: []string{"messages of a key come in the order in which they were sent", "one handler at a time has a key, in order"},
		},
		"makes text of bodies": {
			tamper: tamper{receive: change(func(_ *tampered, mm []*async.Message) {
				for _, m := range mm {
					m.Data = []byte(strings.ToValidUTF8(string(m.Data), "?"))
				}
			})},
			caught: []string{"messages come as they were sent"},
		},
		"has no empty bodies": {
			tamper: tamper{receive: change(func(_ *tampered, mm []*async.Message) {
				for _, m := range mm {
					if len(m.Data) == 0 {
						m.Data = []byte("null")
					}
				}
			})},
			caught: []string{"messages come as they were sent"},
		},
		"cuts bodies at 256 kB": {
			tamper: tamper{receive: change(func(_ *tampered, mm []*async.Message) {
				for _, m := range mm {
					m.Data = m.Data[:min(len(m.Data), 256<<10)]
				}
			})},
			caught: []string{"messages come as they were sent"},
		},
		"makes text of keys": {
			tamper: tamper{receive: change(func(_ *tampered, mm []*async.Message) {
				for _, m := range mm {
					m.Key = []byte(strings.ToValidUTF8(string(m.Key), "?"))
				}
			})},
			caught: []string{"messages come as they were sent"},
		},
		"drops headers": {
			tamper: tamper{receive: change(func(_ *tampered, mm []*async.Message) {
				for _, m := range mm {
					m.Headers = nil
				}
			})},
			caught: []string{"messages come as they were sent", "the handler gets correlation, trace, headers and ID of the publisher"},
		},
		"gives each message a lane of its own": {
			tamper: tamper{receive: change(func(_ *tampered, mm []*async.Message) {
				for _, m := range mm {
					m.Lane = async.LaneOf(m.Source, []byte(m.ID))
				}
			})},
			caught: []string{"messages of a key share a lane, and those without a key have none", "one handler at a time has a key, in order"},
		},
		"gives a lane to each key, and says that it is the source": {
			tamper: tamper{traits: func(t *async.Traits) { t.SourceLanes = true }},
			caught: []string{"messages of a source share its lane"},
		},
		"gives a key to several consumers": {
			tamper: tamper{send: hideKey, receive: change(func(_ *tampered, mm []*async.Message) {
				for _, m := range mm {
					if key := m.Headers.Get("key"); key != "" {
						m.Key = []byte(key)
						m.Lane = async.LaneOf(m.Source, m.Key)
					}
				}
			})},
			caught: []string{
				"nothing more of a key is given while some of it may go back",
				"one consumer at a time has a key", "two components share the messages and keep the order of a key",
			},
		},
		"gives one message at a time": {tamper: tamper{receive: oneAtATime, settle: oneSettled}, caught: []string{"a stuck key leaves the others their rate"}},
		"locks receive and settle against each other": {
			tamper: tamper{
				receive: func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
					c.lock <- struct{}{}
					defer func() { <-c.lock }()
					return c.driver.Receive(ctx, limit)
				},
				settle: func(ctx context.Context, c *tampered, ss []async.Settlement) error {
					select {
					case c.lock <- struct{}{}:
						defer func() { <-c.lock }()
					case <-ctx.Done():
					}
					return c.driver.Settle(ctx, ss)
				},
			},
			caught: []string{"receive and settle do not wait for each other"},
		},
	}
}

// change lets f alter what is received.
func change(f func(c *tampered, mm []*async.Message)) func(context.Context, *tampered, int) ([]*async.Message, error) {
	return func(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
		mm, err := c.driver.Receive(ctx, limit)
		f(c, mm)
		return mm, err
	}
}

func loseThird(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
	for {
		mm, err := c.driver.Receive(ctx, limit)
		if err != nil {
			return mm, err
		}
		var kept []*async.Message
		for _, m := range mm {
			if c.n++; c.n%3 == 0 {
				_ = c.driver.Settle(ctx, []async.Settlement{{Message: m}})
				continue
			}
			kept = append(kept, m)
		}
		if len(kept) > 0 {
			return kept, nil
		}
	}
}

func twiceThird(ctx context.Context, c *tampered, limit int) ([]*async.Message, error) {
	if len(c.kept) > 0 {
		mm := c.kept[:1]
		c.kept = c.kept[1:]
		return mm, nil
	}
	mm, err := c.driver.Receive(ctx, limit)
	for _, m := range mm {
		if c.n++; c.n%3 == 0 {
			twin := m.Clone()
			twin.Raw, twin.Lane = nil, m.Lane
			c.kept = append(c.kept, twin)
			c.held[m.ID] = twin
		}
	}
	return mm, err
}

func hideKey(ctx context.Context, p *tamperedProducer, mm []*async.Message) error {
	hidden := make([]*async.Message, len(mm))
	for i, m := range mm {
		hidden[i] = m.Clone()
		hidden[i].Key = nil
		hidden[i].Headers.Set("key", string(m.Key))
	}
	return p.Producer.Send(ctx, hidden...)
}

// oneAtATime gives nothing while something is in flight.
func oneAtATime(ctx context.Context, c *tampered, _ int) ([]*async.Message, error) {
	select {
	case c.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	mm, err := c.driver.Receive(ctx, 1)
	if err != nil {
		<-c.lock
	}
	return mm, err
}

func oneSettled(ctx context.Context, c *tampered, ss []async.Settlement) error {
	err := c.driver.Settle(ctx, ss)
	for range ss {
		<-c.lock
	}
	return err
}

// wrongSettlers are wrong in what they make of settlements.
func wrongSettlers() map[string]wrongBroker {
	second := []string{"a second settlement is refused"}
	return map[string]wrongBroker{
		"forgets acknowledgements": {
			tamper: tamper{settle: rewrite(func(_ *tampered, s *async.Settlement) bool { return s.Verdict != async.Ack })},
			caught: []string{"an acknowledged message does not come back"},
		},
		"retries at once": {
			tamper: tamper{settle: rewrite(func(_ *tampered, s *async.Settlement) bool { s.Delay = 0; return true })},
			caught: []string{
				"a retried message comes back after its delay", "a retried message is not overtaken by its key",
				"a message is tried again off its lane after a delay",
			},
		},
		"forgets attempts": {
			tamper: tamper{settle: rewrite(func(_ *tampered, s *async.Settlement) bool {
				if s.Verdict == async.Retry {
					s.Message.Attempt = 0
				}
				return true
			})},
			caught: []string{"a retried message comes back after its delay"},
		},
		"does not count deliveries": {
			tamper: tamper{receive: change(func(_ *tampered, mm []*async.Message) {
				for _, m := range mm {
					m.Deliveries = 1
				}
			})},
			caught: []string{"a retried message comes back after its delay", "a released message comes back at once"},
		},
		"releases after a while": {
			tamper: tamper{settle: rewrite(func(_ *tampered, s *async.Settlement) bool {
				if s.Verdict == async.Release {
					s.Verdict, s.Delay = async.Retry, 10*time.Second
				}
				return true
			})},
			caught: []string{"a released message comes back at once"},
		},
		"loses what is released": {
			tamper: tamper{settle: rewrite(func(_ *tampered, s *async.Settlement) bool {
				if s.Verdict == async.Release {
					s.Verdict = async.Ack
				}
				return true
			})},
			caught: []string{
				"released messages come back in order", "a stop finishes the message that runs and gives back the others",
				"messages that come after the stop are given back",
				"a message that is still running after the grace period comes again, its attempt not spent", "a failure that ends the service keeps the message",
			},
		},
		"throws poison away": {
			tamper: tamper{settle: rewrite(func(_ *tampered, s *async.Settlement) bool {
				if s.Verdict == async.Reject {
					s.Verdict = async.Ack
				}
				return true
			})},
			caught: []string{
				"a rejected message is a dead letter with its reason", "poison goes to the dead letter, and its key goes on",
				"a permanent error goes to the dead letter at once",
			},
		},
		"does not say why a message is dead": {
			tamper: tamper{settle: rewrite(func(_ *tampered, s *async.Settlement) bool { s.Cause = nil; return true })},
			caught: []string{"a rejected message is a dead letter with its reason", "poison goes to the dead letter, and its key goes on"},
		},
		"tells nobody of dead letters": {
			tamper: tamper{settle: rewrite(func(_ *tampered, s *async.Settlement) bool { s.Written = nil; return true })},
			caught: []string{
				"the dead letter is told of after it is written", "a message stays while nobody could be told of its dead letter",
				"a message stays until its dead letter was told of",
			},
		},
		"tells of dead letters before they are written": {
			tamper: tamper{settle: func(ctx context.Context, c *tampered, ss []async.Settlement) error {
				for i := range ss {
					if ss[i].Written != nil {
						_ = ss[i].Written(ctx)
						ss[i].Written = nil
					}
				}
				return c.driver.Settle(ctx, ss)
			}},
			caught: []string{"the dead letter is told of after it is written"},
		},
		"does not mind if nobody can be told": {
			tamper: tamper{settle: rewrite(func(_ *tampered, s *async.Settlement) bool {
				if tell := s.Written; tell != nil {
					s.Written = func(ctx context.Context) error { _ = tell(ctx); return nil }
				}
				return true
			})},
			caught: []string{"a message stays while nobody could be told of its dead letter", "a message stays until its dead letter was told of"},
		},
		"throws poison away when it cannot be written": {
			tamper: tamper{settle: func(ctx context.Context, c *tampered, ss []async.Settlement) error {
				err := c.driver.Settle(ctx, ss)
				for i := range ss {
					if ss[i].Verdict == async.Reject && ss[i].Err != nil {
						one := []async.Settlement{{Message: ss[i].Message}}
						_ = c.driver.Settle(ctx, one)
						ss[i].Err = one[0].Err
					}
				}
				return err
			}},
			caught: []string{"a message stays while its dead letter cannot be written", "a message stays until its dead letter can be written"},
		},
		"takes poison off although its rejection failed": {
			tamper: tamper{settle: func(ctx context.Context, c *tampered, ss []async.Settlement) error {
				err := c.driver.Settle(ctx, ss)
				for i := range ss {
					if ss[i].Verdict == async.Reject && ss[i].Err != nil {
						_ = c.driver.Settle(ctx, []async.Settlement{{Message: ss[i].Message}}) // and says that it failed
					}
				}
				return err
			}},
			caught: []string{"a rejection that failed leaves the message to the next consumer"},
		},
		"accepts settlements of what is not there": {
			tamper: tamper{settle: hush(async.ErrLost)},
			caught: second,
		},
		"says yes to settlements that failed": {
			tamper: tamper{settle: hush(errBroken)},
			caught: []string{"a settlement that failed is repeated", "nothing is lost when one of ten settlements fails"},
		},
		"calls what failed lost": {
			tamper: tamper{settle: func(ctx context.Context, c *tampered, ss []async.Settlement) error {
				err := c.driver.Settle(ctx, ss)
				for i := range ss {
					if ss[i].Err != nil {
						ss[i].Err = async.ErrLost
					}
				}
				return err
			}},
			caught: []string{"a settlement that failed is repeated"},
		},
		"gives released messages back in the order of their release": {
			tamper: tamper{settle: releaseBehind},
			caught: []string{"released messages come back in order"},
		},
		"counts no lag": {
			tamper: tamper{lag: func(ctx context.Context, c *tampered) ([]async.Lag, error) {
				lags, err := c.driver.Lag(ctx)
				for i := range lags {
					lags[i].Messages = 0
				}
				return lags, err
			}},
			caught: []string{"the lag counts what is not settled"},
		},
		"takes everything for ready": {
			tamper: tamper{lag: func(ctx context.Context, c *tampered) ([]async.Lag, error) {
				lags, err := c.driver.Lag(ctx)
				for i := range lags {
					lags[i].Ready = lags[i].Messages
				}
				return lags, err
			}},
			caught: []string{"the lag counts what is not settled", "the lag does not take what is delayed for ready"},
		},
	}
}

// rewrite lets f alter settlements, and drops those for which it returns false as if they were carried out.
func rewrite(f func(c *tampered, s *async.Settlement) bool) func(context.Context, *tampered, []async.Settlement) error {
	return func(ctx context.Context, c *tampered, ss []async.Settlement) error {
		var places []int
		var passed []async.Settlement
		for i := range ss {
			if s := ss[i]; f(c, &s) {
				places, passed = append(places, i), append(passed, s)
			}
		}
		err := c.driver.Settle(ctx, passed)
		for i, at := range places {
			ss[at].Err = passed[i].Err
		}
		return err
	}
}

// hush keeps an error of settlements to itself.
func hush(secret error) func(context.Context, *tampered, []async.Settlement) error {
	return func(ctx context.Context, c *tampered, ss []async.Settlement) error {
		err := c.driver.Settle(ctx, ss)
		for i := range ss {
			if errors.Is(ss[i].Err, secret) {
				ss[i].Err = nil
			}
		}
		return err
	}
}

// releaseBehind acknowledges what is released and sends it again, behind everything else.
func releaseBehind(ctx context.Context, c *tampered, ss []async.Settlement) error {
	for i := range ss {
		if ss[i].Verdict == async.Release {
			if err := c.harness.broker.Producer(queue).Send(ctx, ss[i].Message.Clone()); err != nil {
				return err
			}
		}
	}
	return rewrite(func(_ *tampered, s *async.Settlement) bool { s.Verdict = async.Ack; return true })(ctx, c, ss)
}

// isEOF is how the suite reads the end of a source.
func isEOF(err error) bool { return errors.Is(err, io.EOF) }
