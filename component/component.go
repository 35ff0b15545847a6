package component

import (
	"context"
	"errors"
)

// Component is what a service runs.
type Component interface {
	// Run works until ctx ends: then it takes nothing new, finishes what it took within the grace period (see [Work]), releases what Start took and
	// returns nil. It returns earlier with an error when it cannot go on, and with [ErrDone] when it has done all it was meant to do. Run blocks, leaves no
	// goroutine behind, and is never called twice at the same time. A panic is an error of the component.
	Run(ctx context.Context) error
}

// Starter is implemented by a component that must bind or dial before the service may be called ready.
type Starter interface {
	// Start takes what Run needs. ctx bounds the starting only: what Start leaves running must not depend on it. An error stops the service, and Run is
	// then not called.
	Start(ctx context.Context) error
}

// Checker is implemented by a component that can say whether it is able to work.
type Checker interface {
	// Check returns nil if the component can work, else the cause. It is called when /ready is asked, concurrently with Run and never twice at the same
	// time: whoever asks meanwhile shares the answer. It should return within a second; ctx bounds it. Until every check passed once the service is not
	// ready. Later an error makes it degraded (200 with the cause), unless it is marked with [Critical]: then /ready answers 503.
	Check(ctx context.Context) error
}

// Informer is implemented by a component that describes itself on /info.
type Informer interface {
	// Info returns facts about the component that encoding/json can encode. Secrets do not belong there. It may be called at any time, concurrently with
	// everything else, and must not block. The map belongs to the caller.
	Info() map[string]any
}

// ErrDone is returned by Run of a component that is meant to end: the service then stops, without an error. Any other early return, nil included, is an
// error of the service, so that a component that silently finished is seen.
var ErrDone = errors.New("component: done")

// Critical marks the error of a [Checker] as one with which the service must get no traffic: /ready answers 503 while it lasts. A nil err stays nil.
func Critical(err error) error {
	if err == nil {
		return nil
	}
	return &criticalError{err: err}
}

// IsCritical reports whether err carries the mark of [Critical].
func IsCritical(err error) bool {
	_, ok := errors.AsType[*criticalError](err)
	return ok
}

type criticalError struct{ err error }

func (e *criticalError) Error() string { return e.err.Error() }
func (e *criticalError) Unwrap() error { return e.err }
