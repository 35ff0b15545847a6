package async

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Claim is why messages are ours: a partition in an epoch, an AMQP channel, an SQS receipt, a lease. The driver makes one with [NewClaim], sets it in the
// messages that depend on it, and tells by [Claim.Revoke] or [Claim.Lose] when it ends. Its methods may be called from any goroutine, but not from within
// Receive or Settle of the same consumer if those hold a lock that Settle needs.
type Claim struct {
	mu     sync.Mutex // guards everything below
	holder claimHolder
	ended  bool // no message of it is handed to a handler any more
	lost   bool // nothing of it is settled any more
	cause  error
	ctx    context.Context //nolint:containedctx // the context of running handlers, shared by the messages of the claim
	cancel context.CancelCauseFunc
}

// claimHolder is the session that holds messages of a claim.
type claimHolder interface {
	// dropClaim drops the messages of c that wait, and returns a channel that is closed when none is running or unsettled any more.
	dropClaim(c *Claim) <-chan struct{}
	// loseClaim drops the messages of c that wait, and marks those that run as lost.
	loseClaim(c *Claim)
}

// NewClaim returns a claim that holds.
func NewClaim() *Claim { return &Claim{} }

// Revoke ends the claim in good order: messages that wait are dropped, those that run may finish until ctx ends and are then cancelled with the cause
// [ErrLost], what is finished is settled; then it returns. The driver may let go of the claim afterwards. A second call, or one after Lose, returns at once.
func (c *Claim) Revoke(ctx context.Context) {
	holder := c.end(ErrLost)
	if holder == nil {
		return
	}
	select {
	case <-holder.dropClaim(c):
		c.stop(ErrLost)
	case <-ctx.Done():
		if c.lose(ErrLost) != nil { // else Lose came first, and what has been received since is of another claim
			holder.loseClaim(c) // before the handlers are cancelled, or what they return would be taken for a verdict
		}
		c.stop(ErrLost)
	}
}

// Lose says that the claim is gone already: messages that wait are dropped unprocessed, those that run are cancelled with cause (which is made to match
// [ErrLost]), and nothing is settled. It does not wait for them. It may be called while a Revoke waits. A second call does nothing.
func (c *Claim) Lose(cause error) {
	switch {
	case cause == nil:
		cause = ErrLost
	case !errors.Is(cause, ErrLost):
		cause = fmt.Errorf("%w: %w", ErrLost, cause)
	}
	if holder := c.lose(cause); holder != nil {
		holder.loseClaim(c) // before the handlers are cancelled, or what they return would be taken for a verdict
	}
	c.stop(cause)
}

// Lost reports whether the claim has ended.
func (c *Claim) Lost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// end marks the claim as ended and returns its holder, or nil if it had ended before or nobody holds messages of it.
func (c *Claim) end(cause error) claimHolder {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil
	}
	c.ended, c.cause = true, cause
	return c.holder
}

// lose marks the claim as lost and returns its holder, or nil if it was lost before or nobody holds messages of it. A revocation may be under way: what may
// have finished in its time may not any more.
func (c *Claim) lose(cause error) claimHolder {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		return nil
	}
	if !c.ended {
		c.ended, c.cause = true, cause
	}
	c.lost = true
	return c.holder
}

// stop cancels the handlers that run under the claim.
func (c *Claim) stop(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel(cause)
	}
}

// attach makes h the holder. It reports false if the claim has ended: its messages must be dropped.
func (c *Claim) attach(h claimHolder) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.holder = h
	return true
}

// context returns the context for handlers under the claim, a child of work, one for all its messages.
func (c *Claim) context(work context.Context) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil {
		c.ctx, c.cancel = context.WithCancelCause(work)
		if c.ended {
			c.cancel(c.cause)
		}
	}
	return c.ctx
}
