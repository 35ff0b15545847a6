package component

import "iter"

// State is a stage in the life of a service or a component.
//
//	New ──> Starting ──> Running ──> Stopping ──> Stopped
//	            │            │            │
//	            └────────────┴────────────┴──────> Failed
//
// A stage is never entered twice by the same run; Starting that fails passes through Stopping while it unwinds.
type State uint8

// The states, in the order of a life.
const (
	New      State = iota // made, nothing started
	Starting              // binding, dialling, waiting for the first passing checks
	Running               // ready for work
	Stopping              // takes nothing new, finishes
	Stopped               // ended, everything finished
	Failed                // ended with an error
)

// String returns the name in lower case.
func (s State) String() string {
	switch s {
	case New:
		return "new"
	case Starting:
		return "starting"
	case Running:
		return "running"
	case Stopping:
		return "stopping"
	case Stopped:
		return "stopped"
	case Failed:
		return "failed"
	default:
		return "unknown state"
	}
}

// States yields every state in the order of a life.
func States() iter.Seq[State] {
	return func(yield func(State) bool) {
		for s := New; s <= Failed; s++ {
			if !yield(s) {
				return
			}
		}
	}
}
