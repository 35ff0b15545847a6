package broker

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// startTime bounds how long a node may take until it answers. A quiet machine needs a twentieth of it.
const startTime = 2 * time.Minute

// Node is one process of a broker; most have one. Its methods may be called from several goroutines, and then run one after another.
type Node struct {
	name     string
	address  string
	command  command
	detached bool
	probe    func(ctx context.Context, address string) (string, error)

	mu      sync.Mutex // held while the node changes between up and down
	child   *child     // the last one that was started; nil before the first
	version string     // that it named
}

// Address is its host and port.
func (n *Node) Address() string { return n.address }

// Log is the path of the file with all that it wrote.
func (n *Node) Log() string { return n.command.log }

// Alive reports whether its process runs. That is no promise that it answers.
func (n *Node) Alive() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.alive()
}

func (n *Node) alive() bool { return n.child != nil && n.child.Alive() }

// Start starts it on its data, unless it runs, and returns when it answers. If it cannot be brought to that, it is dead and the error says what it wrote.
func (n *Node) Start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.alive() {
		if n.child != nil {
			n.child.reap()
		}
		c, err := launch(n.command, n.detached)
		if err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
		n.child = c
	}
	if err := n.ready(ctx); err != nil {
		failure := fmt.Errorf("%s: %w", n.name, err)
		if err := n.child.Kill(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("%w; %w", failure, err)
		}
		n.child.reap()
		return failure
	}
	return nil
}

// ready waits until the node answers or has ended.
func (n *Node) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("it does not answer within %v", startTime))
	defer cancel()
	last := error(nil)
	err := until(ctx, 50*time.Millisecond, func() (bool, error) {
		select {
		case <-n.child.exited:
			return false, n.child.failure()
		default:
		}
		n.version, last = n.probe(ctx, n.address)
		return last == nil, nil
	})
	if err != nil && last != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", err, last)
	}
	return err
}

// Kill kills it with SIGKILL, and all that it started, and returns when they are gone. It is no error that it does not run.
func (n *Node) Kill(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.end(ctx, Process.Kill)
}

// Stop asks it to end and waits until it has, at most 30 seconds; then it is killed, and that is the error. It is no error that it does not run.
func (n *Node) Stop(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	return n.end(ctx, Process.End)
}

// stopTime bounds how long a node may take to end when it is asked to.
const stopTime = 30 * time.Second

func (n *Node) end(ctx context.Context, how func(Process, context.Context) error) error {
	if n.child == nil {
		return nil
	}
	if err := how(n.child.Process, ctx); err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	n.child.reap()
	return nil
}
