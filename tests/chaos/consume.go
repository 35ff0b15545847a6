package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/beatlabs/patron"
	"github.com/beatlabs/patron/async"
)

// tries are many: the kills shall not use them up, since what is started too often is a dead letter, and so has no effect.
const tries = 50

// consume runs a service that writes an effect for each message, until it is stopped.
func consume(ctx context.Context, s setting) error {
	effects, err := openRecord(filepath.Join(s.dir, effectsName), s.instance)
	if err != nil {
		return err
	}
	defer effects.close()
	factory, err := systems()[s.broker].consumer(s)
	if err != nil {
		return err
	}
	component, err := async.New("chaos", factory, handler(effects, s.wrong),
		async.WithConcurrency(s.concurrency), async.WithMaxHeld(s.held), async.WithTries(tries))
	if err != nil {
		return err
	}
	service, err := patron.New("chaos", "1.0.0", patron.WithoutHTTP(), patron.WithComponents(component))
	if err != nil {
		return err
	}
	return service.Run(ctx)
}

func handler(effects *record, wrong string) async.ProcessorFunc {
	effect := func(msg *async.Message) error {
		id, _, _ := strings.Cut(string(msg.Data), " ")
		e, err := parseID(id)
		if err != nil {
			return fmt.Errorf("message %q: %w", msg.ID, err)
		}
		return effects.add(e)
	}
	if wrong != wrongSettle {
		return func(_ context.Context, msg *async.Message) error { return effect(msg) }
	}
	return func(_ context.Context, msg *async.Message) error {
		late := msg.Clone()
		// The effect comes after the settlement: what a kill meets in between is lost.
		time.AfterFunc(settleFirst, func() { _ = effect(late) })
		return nil
	}
}

// settleFirst is how long the wrong build takes for an effect of which it has said that it is there.
const settleFirst = 50 * time.Millisecond
