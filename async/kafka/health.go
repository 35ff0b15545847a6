package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// health is what is known of the connection of a client, which connects again by itself and says nothing. It is a hook of the client. Its mutex is
// the innermost: the client calls it from everywhere.
type health struct {
	mu      sync.Mutex              // guards everything below
	brokers map[string]*brokerState // by address
	heard   time.Time               // the last answer of any broker
	group   error                   // why the group cannot be joined
	joined  bool                    // it was, once
	alone   bool                    // there is no group
}

// brokerState is what is known of one broker.
type brokerState struct {
	err error
	at  time.Time // of err
}

var (
	_ kgo.HookBrokerConnect    = (*health)(nil)
	_ kgo.HookBrokerE2E        = (*health)(nil)
	_ kgo.HookGroupManageError = (*health)(nil)
)

// How long an error of a broker counts that nobody asked again, and after which silence one is asked.
const (
	staleAfter  = 10 * time.Second
	silentAfter = 5 * time.Second
	askFor      = time.Second
)

var errNotJoined = errors.New("the group is not joined yet")

func newHealth(alone bool) *health {
	return &health{brokers: make(map[string]*brokerState), alone: alone}
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (h *health) OnBrokerConnect(m kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		err = fmt.Errorf("connect to %s: %w", address(m), err)
	}
	h.note(m, err)
}

// OnBrokerE2E implements kgo.HookBrokerE2E.
func (h *health) OnBrokerE2E(m kgo.BrokerMetadata, _ int16, e2e kgo.BrokerE2E) {
	err := e2e.Err()
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) { // of ours
		return
	}
	if err != nil {
		err = fmt.Errorf("broker %s: %w", address(m), err)
	}
	h.note(m, err)
}

// OnGroupManageError implements kgo.HookGroupManageError.
func (h *health) OnGroupManageError(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.group = err
}

func address(m kgo.BrokerMetadata) string { return net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port))) }

func (h *health) note(m kgo.BrokerMetadata, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if err == nil {
		h.heard = now
	}
	key := address(m)
	b := h.brokers[key]
	switch {
	case b == nil && err == nil:
	case b == nil:
		h.brokers[key] = &brokerState{err: err, at: now}
	case err == nil:
		delete(h.brokers, key)
	default:
		b.err, b.at = err, now
	}
}

// assigned says that the group is joined.
func (h *health) assigned() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.joined, h.group = true, nil
}

// connection returns the latest error of a broker that did not answer since, or nil.
func (h *health) connection() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var last *brokerState
	for _, key := range slices.Sorted(maps.Keys(h.brokers)) {
		if b := h.brokers[key]; time.Since(b.at) < staleAfter && (last == nil || b.at.After(last.at)) {
			last = b
		}
	}
	if last == nil {
		return nil
	}
	return last.err
}

// check is component.Checker's. Where nothing was heard for a while it asks.
func (h *health) check(ctx context.Context, ping func(context.Context) error) error {
	if err := h.connection(); err != nil {
		return err
	}
	h.mu.Lock()
	group, joined, silent := h.group, h.joined || h.alone, time.Since(h.heard)
	h.mu.Unlock()
	switch {
	case group != nil:
		return fmt.Errorf("join the group: %w", group)
	case !joined:
		return errNotJoined
	case silent < silentAfter:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if err := ping(ctx); err != nil {
		return fmt.Errorf("no answer for %v: %w", silent.Round(time.Second), err)
	}
	return nil
}
