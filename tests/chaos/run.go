package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/beatlabs/patron/tests/broker"
)

// The records of a run.
const (
	confirmedName = "confirmed"
	effectsName   = "effects"
)

// run is one run: its broker, its processes and what they have done so far.
type run struct {
	setting setting
	output  io.Writer
	random  *rand.Rand

	broker    *broker.Broker
	producers []*process
	consumers []*process
	confirmed *follower
	effects   *follower
	tally     *tally

	began time.Time
}

// chaos makes a run and returns what came of it. The records of one without a fault are removed, if they are in a directory of its own.
func chaos(ctx context.Context, s setting, output io.Writer) (v verdict, err error) {
	if s.seed == 0 {
		s.seed = time.Now().UnixNano()
	}
	temporary := s.dir == ""
	if temporary {
		if s.dir, err = os.MkdirTemp("", "chaos-"); err != nil {
			return v, err
		}
	}
	r := &run{setting: s, output: output, random: rand.New(rand.NewPCG(uint64(s.seed), 0)), tally: newTally(s.keys)}
	r.sayf("%s: %d messages, %d keys, seed %d, records in %s", s.broker, s.messages, s.keys, s.seed, s.dir)
	v, err = r.play(ctx)
	if temporary && err == nil && v.err(s.duplicates, 0) == nil {
		err = os.RemoveAll(s.dir)
	}
	return v, err
}

func (r *run) sayf(format string, args ...any) {
	_, _ = fmt.Fprintf(r.output, "chaos: "+format+"\n", args...)
}

// play starts everything, kills at the moments that were drawn, waits for the effects and stops everything.
func (r *run) play(ctx context.Context) (v verdict, err error) {
	system := systems()[r.setting.broker]
	r.broker, err = broker.Start(ctx, broker.Spec{Kind: system.kind, Nodes: system.nodes, Dir: filepath.Join(r.setting.dir, "broker"), Progress: r.output})
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, r.broker.Remove(context.WithoutCancel(ctx))) }()
	r.setting.address = r.broker.Kind().Value(r.broker.Address())
	if err := system.prepare(ctx, r.setting); err != nil {
		return v, err
	}
	if r.confirmed, err = follow(filepath.Join(r.setting.dir, confirmedName)); err != nil {
		return v, err
	}
	defer r.confirmed.close()
	if r.effects, err = follow(filepath.Join(r.setting.dir, effectsName)); err != nil {
		return v, err
	}
	defer r.effects.close()

	defer r.killAll()
	if err := r.startAll(); err != nil {
		return v, err
	}
	r.began = time.Now()
	if err := r.watch(ctx); err != nil {
		return r.tally.verdict(), err
	}
	took := time.Since(r.began)
	if !r.complete() {
		took -= r.setting.patience
	}
	for _, p := range r.producers {
		err = errors.Join(err, p.wait())
	}
	for _, p := range r.consumers {
		err = errors.Join(err, p.stop())
	}
	err = errors.Join(err, r.read())
	v = r.tally.verdict()
	v.Took = took
	r.sayf("%v", v)
	return v, err
}

func (r *run) startAll() error {
	for i := range r.setting.consumers {
		p := newProcess(r.setting, roleConsume, i)
		if err := p.start(); err != nil {
			return err
		}
		r.consumers = append(r.consumers, p)
	}
	for i := range r.setting.producers {
		p := newProcess(r.setting, roleProduce, i)
		if err := p.start(); err != nil {
			return err
		}
		r.producers = append(r.producers, p)
	}
	return nil
}

func (r *run) killAll() {
	for _, p := range slices.Concat(r.producers, r.consumers) {
		p.kill()
	}
}

// watch follows the records, strikes, and returns when every message had its effect, or why that will not be.
func (r *run) watch(ctx context.Context) error {
	nodes, consumers := r.drawBroker(), r.drawConsumers()
	defer func() {
		nodes.rest()
		consumers.rest()
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	moved, last := time.Now(), 0
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := r.read(); err != nil {
			return err
		}
		if now := r.tally.distinct + r.tally.sent; now != last || nodes.busy || consumers.busy {
			moved, last = time.Now(), now
		}
		if r.complete() && nodes.idle() && consumers.idle() {
			return nil
		}
		if still := time.Since(moved); still > r.setting.patience {
			return r.stuck(still)
		}
		r.strike(ctx, nodes, r.tally.sent)
		r.strike(ctx, consumers, r.tally.distinct)
		if !consumers.busy { // which stops and starts them
			if err := r.died(); err != nil {
				return err
			}
		}
		var err error
		select {
		case err = <-nodes.done:
			nodes.busy = false
		case err = <-consumers.done:
			consumers.busy = false
		case <-tick.C:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// complete reports whether all is published and every message had an effect.
func (r *run) complete() bool {
	return r.tally.sent == r.setting.messages && r.tally.distinct >= r.setting.messages
}

// stuck is what it means that nothing moves: that no more will come, and the verdict says what is lost, unless it is the producers that do not go on.
func (r *run) stuck(still time.Duration) error {
	if r.tally.sent < r.setting.messages {
		return fmt.Errorf("%d of %d messages are confirmed, and nothing moves for %v", r.tally.sent, r.setting.messages, still.Round(time.Second))
	}
	return nil
}

// strike begins what is due when so many messages are through.
func (r *run) strike(ctx context.Context, l *lane, through int) {
	s, ok := l.due(through)
	if !ok {
		return
	}
	l.busy = true
	r.sayf("%6.1fs %d confirmed, %d effects: %s", time.Since(r.began).Seconds(), r.tally.sent, r.tally.effects, s.name())
	go func() { l.done <- s.what(ctx) }()
}

// died says which process has ended by itself.
func (r *run) died() error {
	for _, p := range r.consumers {
		if p.ended() {
			return errors.Join(fmt.Errorf("%s has ended", p.name), p.wait())
		}
	}
	for _, p := range r.producers {
		if p.ended() {
			if err := p.wait(); err != nil {
				return err
			}
		}
	}
	return nil
}

// read takes note of what was written since the last time. Effects may be read before the confirmation of their message was written.
func (r *run) read() error {
	var errs []error
	err := r.confirmed.next(func(e entry) { errs = append(errs, r.tally.confirm(e)) })
	errs = append(errs, err, r.effects.next(func(e entry) { r.tally.effect(e, r.setting.of) }))
	return errors.Join(errs...)
}
