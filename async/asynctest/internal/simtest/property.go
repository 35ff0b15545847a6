package simtest

import (
	"strings"
	"time"
)

// Property is what holds in every history.
type Property string

// The properties.
const (
	NothingLost Property = "nothing is lost"
	AfterEffect Property = "a message is settled after its effect"
	LaneOrder   Property = "the messages of a lane are processed in order"
	LaneAlone   Property = "one handler of a lane runs at a time"
	OwnClaim    Property = "nothing is done with a message whose claim ended"
	Attempts    Property = "attempts are counted"
	SameEffects Property = "effects are those of a faultless run"
	GoesOn      Property = "the service goes on"
)

// violation is a property that did not hold.
type violation struct {
	at       time.Duration
	property Property
	text     string
}

// compare orders violations, so that of several in one instant the same one is reported each time.
func (v violation) compare(other violation) int {
	if v.at != other.at {
		return int(v.at - other.at)
	}
	if c := strings.Compare(string(v.property), string(other.property)); c != 0 {
		return c
	}
	return strings.Compare(v.text, other.text)
}
