package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/beatlabs/patron/tests/broker"
)

// strike is something bad at a moment: when so many messages are confirmed, if it strikes the broker, or have had their effect, if it strikes a consumer.
// Producers may be ahead of consumers, and then a kill at the end of the effects would meet no producer.
type strike struct {
	at   int
	name func() string
	what func(ctx context.Context) error
}

// lane is a sequence of strikes, one at a time. Those of different lanes may happen together.
type lane struct {
	left []strike
	busy bool
	done chan error
}

func newLane(strikes []strike) *lane {
	slices.SortStableFunc(strikes, func(a, b strike) int { return cmp.Compare(a.at, b.at) })
	return &lane{left: strikes, done: make(chan error, 1)}
}

// idle reports whether nothing is under way or to come.
func (l *lane) idle() bool { return !l.busy && len(l.left) == 0 }

// rest waits for what is under way.
func (l *lane) rest() {
	if l.busy {
		<-l.done //nolint:errcheck // the reason to end is another one
	}
}

// due takes the next strike if its moment has come.
func (l *lane) due(through int) (strike, bool) {
	if l.busy || len(l.left) == 0 || through < l.left[0].at {
		return strike{}, false
	}
	s := l.left[0]
	l.left = l.left[1:]
	return s, true
}

// moment draws one. It is of the traffic and not of the clock, so that every strike meets messages; the last part is left for what a strike does to show.
func (r *run) moment() int { return r.random.IntN(max(1, r.setting.messages*19/20)) }

// drawBroker draws the kills of nodes. One node at a time is killed and started again.
func (r *run) drawBroker() *lane {
	nodes := r.broker.Nodes()
	strikes := make([]strike, r.setting.brokerKills)
	for i := range strikes {
		node := nodes[r.random.IntN(len(nodes))]
		name := "kill of the broker at " + node.Address()
		kill := node.Kill
		if len(nodes) > 1 {
			name += " while the others stand still"
			kill = func(ctx context.Context) error { return r.killAhead(ctx, node) }
		}
		strikes[i] = strike{at: r.moment(), name: func() string { return name }, what: func(ctx context.Context) error {
			if err := kill(ctx); err != nil {
				return err
			}
			return node.Start(ctx)
		}}
	}
	return newLane(strikes)
}

// stall is how long the other nodes stand still before one is killed: shorter than the session after which they would be missed, longer than a replica is
// ever late on a quiet machine. What a leader alone confirms in that time dies with it, so this is what tells a producer that waits for the replicas from one
// that does not. Without it the right moment is a matter of luck: one message in 100 000 over eight kills.
const stall = 400 * time.Millisecond

// killAhead kills a node that is ahead of the others, which go on afterwards.
func (r *run) killAhead(ctx context.Context, node *broker.Node) (err error) {
	var others []broker.Process
	for i, p := range r.broker.Record().Processes {
		if i < len(r.broker.Nodes()) && r.broker.Nodes()[i] != node {
			others = append(others, p)
		}
	}
	defer func() {
		for _, p := range others {
			err = errors.Join(err, send(p, syscall.SIGCONT))
		}
	}()
	for _, p := range others {
		if err := send(p, syscall.SIGSTOP); err != nil {
			return err
		}
	}
	select {
	case <-time.After(stall):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return node.Kill(ctx)
}

func send(p broker.Process, s syscall.Signal) error {
	if err := syscall.Kill(p.PID, s); err != nil {
		return fmt.Errorf("%v for process %d: %w", s, p.PID, err)
	}
	return nil
}

// drawConsumers draws kills and orderly stops. Who wrote the last effect is killed: where one consumer at a time gets messages it would be of no use to kill
// another.
func (r *run) drawConsumers() *lane {
	var strikes []strike
	var victim *process
	for range r.setting.consumerKills {
		strikes = append(strikes, strike{
			at:   r.moment(),
			name: func() string { victim = r.consumers[r.tally.last]; return "kill of " + victim.name },
			what: func(context.Context) error {
				victim.kill()
				return victim.start()
			},
		})
	}
	for range r.setting.leaves {
		p := r.consumers[r.random.IntN(len(r.consumers))]
		strikes = append(strikes, strike{at: r.moment(), name: func() string { return "leave of " + p.name }, what: func(context.Context) error {
			if err := p.stop(); err != nil {
				return err
			}
			return p.start()
		}})
	}
	return newLane(strikes)
}
