package async

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// PositionKind says how a [Position] is given.
type PositionKind uint8

// The kinds of positions. The zero kind is none, so that a Position that was forgotten moves nothing.
const (
	PositionOldest PositionKind = iota + 1 // the oldest message that is there
	PositionNewest                         // behind the newest: only what comes from now on
	PositionTime                           // the first message that is not older than Position.Time
	PositionOffset                         // the message at Position.Offset of one source
)

// String returns the name in lower case.
func (k PositionKind) String() string {
	switch k {
	case PositionOldest:
		return "oldest"
	case PositionNewest:
		return "newest"
	case PositionTime:
		return "time"
	case PositionOffset:
		return "offset"
	default:
		return "no position"
	}
}

// Position is a place in a log to go on from, for [Component.Seek]. Make it with [Oldest], [Newest], [At] or [Offset].
type Position struct {
	Kind   PositionKind // which of the following counts
	Time   time.Time    // of PositionTime
	Offset int64        // of PositionOffset
	Source string       // "": every source that the consumer owns; see Position.Of
}

// Oldest is the position of the oldest message that is there: everything is processed again.
func Oldest() Position { return Position{Kind: PositionOldest} }

// Newest is the position behind the newest message: what waits is passed over.
func Newest() Position { return Position{Kind: PositionNewest} }

// At is the position of the first message that was published at t or later; where there is none it is [Newest].
func At(t time.Time) Position { return Position{Kind: PositionTime, Time: t} }

// Offset is the position of the message at offset in one source, as in Offset("orders/3", 42).
func Offset(source string, offset int64) Position {
	return Position{Kind: PositionOffset, Offset: offset, Source: source}
}

// Of returns p for one source only: "orders" for all partitions of a topic, or "orders/3" for one.
func (p Position) Of(source string) Position {
	p.Source = source
	return p
}

// Selects reports whether s is to be moved. A driver asks it for each source that its consumer owns.
func (p Position) Selects(s *Source) bool { return p.Source == "" || s.is(p.Source) }

// String describes p, as in "oldest of orders/3".
func (p Position) String() string {
	text := p.Kind.String()
	switch p.Kind {
	case PositionTime:
		text += " " + p.Time.Format(time.RFC3339Nano)
	case PositionOffset:
		text += " " + strconv.FormatInt(p.Offset, 10)
	case PositionOldest, PositionNewest:
	}
	if p.Source != "" {
		text += " of " + p.Source
	}
	return text
}

// check says what makes no sense for any broker.
func (p Position) check() error {
	switch {
	case p.Kind < PositionOldest || p.Kind > PositionOffset:
		return fmt.Errorf("position of kind %d: want Oldest, Newest, At or Offset", p.Kind)
	case p.Kind == PositionTime && p.Time.IsZero():
		return errors.New("position of a time: the time is zero")
	case p.Kind == PositionOffset && p.Source == "":
		return fmt.Errorf("offset %d: want the source that it is of", p.Offset)
	case p.Kind == PositionOffset && p.Offset < 0:
		return fmt.Errorf("offset %d: want at least 0", p.Offset)
	default:
		return nil
	}
}
