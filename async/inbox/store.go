package inbox

import (
	"context"
	"errors"
	"time"
)

// State is what a [Store] says of a message that somebody wants to begin with.
type State uint8

// The states. There is no zero state, so that an answer that was forgotten is none.
const (
	Begun    State = iota + 1 // it is in flight from now on, with the owner that asked
	InFlight                  // it is in flight with another owner
	Done                      // its effect has happened
)

// String returns the name in lower case.
func (s State) String() string {
	switch s {
	case Begun:
		return "begun"
	case InFlight:
		return "in flight"
	case Done:
		return "done"
	default:
		return "unknown state"
	}
}

// ErrNotOwner says that a message is not, or no longer, in flight with an owner.
var ErrNotOwner = errors.New("inbox: not the owner")

// Store knows which messages are in flight, with whom and for how long, and which are done. A [Guard] asks it. Its methods may block until ctx ends and may be
// called concurrently, by any number of processes; each is one step, which happened or did not. An error other than ErrNotOwner says that this is not known.
// Use the suite of the package inboxtest to prove one.
type Store interface {
	// Begin makes the message with key in flight, with owner and for as long as lease, and returns Begun; unless it is in flight with another owner or done: then
	// it changes nothing. Of one that is in flight it returns how long that lasts if nothing more is heard.
	Begin(ctx context.Context, key Key, owner string, lease time.Duration) (State, time.Duration, error)
	// Extend makes it in flight with owner for as long as lease, counted from now; ErrNotOwner if it is not in flight with owner.
	Extend(ctx context.Context, key Key, owner string, lease time.Duration) error
	// Done makes it done, for as long as ttl. It asks no owner: the effect has happened, also if the lease ran out meanwhile and another owner has begun, whose
	// attempt it cannot stop, but whose next one it can.
	Done(ctx context.Context, key Key, ttl time.Duration) error
	// Abandon makes it unknown, if it is in flight with owner; else it changes nothing.
	Abandon(ctx context.Context, key Key, owner string) error
}
