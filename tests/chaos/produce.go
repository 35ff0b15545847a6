package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
)

// bodySize is that of a message.
const bodySize = 200

// produce publishes the keys of this producer: those of a worker in turn, the messages of a key one after another, each when the one before it is confirmed.
func produce(ctx context.Context, s setting) error {
	confirmed, err := openRecord(filepath.Join(s.dir, confirmedName), s.instance)
	if err != nil {
		return err
	}
	defer confirmed.close()
	producer, err := systems()[s.broker].producer(s)
	if err != nil {
		return err
	}
	defer producer.Close(context.WithoutCancel(ctx))

	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	pace := newPace(s.rate / s.producers)
	var workers sync.WaitGroup
	for w := range s.workers {
		workers.Go(func() {
			err := work(ctx, s.keysOf(w), s.of, func(e entry) error {
				if err := errors.Join(pace.wait(ctx), publish(ctx, producer, e)); err != nil {
					return err
				}
				return confirmed.add(e)
			})
			if err != nil {
				fail(err)
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// keysOf are the keys of a worker of this producer.
func (s setting) keysOf(worker int) []int {
	var keys []int
	for key := range s.keys {
		if key%s.producers == s.instance && key/s.producers%s.workers == worker {
			keys = append(keys, key)
		}
	}
	return keys
}

// work sends the messages of keys, one of each key in turn.
func work(ctx context.Context, keys []int, of func(key int) int, send func(entry) error) error {
	for seq := 0; len(keys) > 0; seq++ {
		keys = slices.DeleteFunc(keys, func(key int) bool { return seq >= of(key) })
		for _, key := range keys {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := send(entry{key: key, seq: seq}); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendTime is longer than a broker takes to come back on a busy machine: what is given up meanwhile and sent again comes twice.
const sendTime = 2 * time.Minute

// publish sends until it is confirmed: an unknown outcome is sent again, with the same ID.
func publish(ctx context.Context, producer async.Producer, e entry) error {
	const longest = time.Second
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, longest) {
		limited, cancel := context.WithTimeout(ctx, sendTime)
		err := producer.Send(limited, message(e))
		cancel()
		if err == nil {
			return nil
		}
		fmt.Println(time.Now().Format(time.TimeOnly), "publish", e.ID(), err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func message(e entry) *async.Message {
	body := append([]byte(e.ID()), ' ')
	return &async.Message{
		ID: e.ID(), Key: []byte("k" + strconv.Itoa(e.key)), Time: time.Now(), Data: append(body, bytes.Repeat([]byte{'x'}, bodySize-len(body))...),
	}
}

// pace spreads events evenly over time.
type pace struct {
	mu    sync.Mutex
	next  time.Time
	every time.Duration
}

func newPace(rate int) *pace {
	if rate <= 0 {
		return &pace{}
	}
	return &pace{next: time.Now(), every: time.Second / time.Duration(rate)}
}

func (p *pace) wait(ctx context.Context) error {
	if p.every == 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	at := p.next
	p.next = p.next.Add(p.every)
	p.mu.Unlock()
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
