package async

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
)

// ErrNoLetter says that there is no dead letter with an ID.
var ErrNoLetter = errors.New("async: no such dead letter")

// DeadLetters are the dead letters of one source. A driver whose Reject writes them implements it, and lets its [ConsumerFactory] give it away, see
// [DeadLetterKeeper]. Its methods may block until ctx ends and may be called concurrently, beside consumers that write further letters. [Replay] stands on it.
type DeadLetters interface {
	// List yields the letters that f chooses, the one that was written first in front, or an error and then nothing more. What is written after it began is not
	// yielded, so who replays what fails at once comes to an end. Letters may be removed meanwhile. What is yielded belongs to the caller.
	List(ctx context.Context, f DeadFilter) iter.Seq2[*DeadLetter, error]
	// Count returns how many letters f chooses.
	Count(ctx context.Context, f DeadFilter) (int64, error)
	// Get returns the letter of the message with an ID, the last one if there are several, or ErrNoLetter.
	Get(ctx context.Context, id string) (*DeadLetter, error)
	// Remove takes letters off. One that is gone is no error. It removes what was listed and nothing else: if the message died again meanwhile, and was written
	// anew, that letter stays. A [*BatchError] names those that could not be removed; any other error says that none was.
	Remove(ctx context.Context, ll ...*DeadLetter) error
}

// DeadLetterKeeper is implemented by a [ConsumerFactory] whose dead letters can be read.
type DeadLetterKeeper interface {
	// DeadLetters returns those of the source. It does not block.
	DeadLetters() DeadLetters
}

// DeadLetter is a message that failed for good.
type DeadLetter struct {
	Message  *Message  // as it was processed, its Headers without those of the dead letter
	Cause    string    // the text of the error that it failed with at last
	Attempts int       // starts of the handler
	Origin   string    // the source it came from
	Time     time.Time // when it was written
	Raw      any       // the driver's
}

// NewDeadLetter makes a dead letter of a message that a driver reads from where it wrote it with [MarkDead]: it takes the headers that say why it is dead
// out of m, which is its own from then on. What is missing or cannot be read is the zero value, since foreign messages find their way into dead letters
// too.
func NewDeadLetter(m *Message) *DeadLetter {
	l := &DeadLetter{Message: m, Cause: m.Headers.Get(HeaderDeadCause), Origin: m.Headers.Get(HeaderDeadOrigin)}
	if n, err := strconv.Atoi(m.Headers.Get(HeaderDeadAttempt)); err == nil {
		l.Attempts = n
	}
	if t, err := time.Parse(time.RFC3339Nano, m.Headers.Get(HeaderDeadTime)); err == nil {
		l.Time = t
	}
	unmarkDead(&m.Headers)
	return l
}

// MarkDead writes the headers that say why m is dead, where it came from, after how many starts and since when. A driver sends m, which is a copy of what it
// rejects, to the dead letter.
func MarkDead(m *Message, cause error, attempts int, origin *Source, at time.Time) {
	reason := ""
	if cause != nil {
		reason = cause.Error()
	}
	m.Headers.Set(HeaderDeadCause, reason)
	m.Headers.Set(HeaderDeadAttempt, strconv.Itoa(attempts))
	m.Headers.Set(HeaderDeadOrigin, origin.String())
	m.Headers.Set(HeaderDeadTime, at.UTC().Format(time.RFC3339Nano))
}

func unmarkDead(h *Headers) {
	for _, key := range [...]string{HeaderDeadCause, HeaderDeadAttempt, HeaderDeadOrigin, HeaderDeadTime} {
		h.Delete(key)
	}
}

// DeadFilter chooses dead letters. A letter must fit everything that is set; the zero value chooses all.
type DeadFilter struct {
	ID     string    // of the message
	Key    []byte    // nil: any
	Type   string    // see [TypeOf]
	Cause  string    // part of the cause, in any case
	Origin string    // as Source.String gives it
	After  time.Time // written then or later
	Before time.Time // written before then
}

// Match reports whether f chooses l. A driver uses it for what its broker cannot look for.
func (f *DeadFilter) Match(l *DeadLetter) bool {
	switch {
	case f.ID != "" && l.Message.ID != f.ID:
	case f.Key != nil && string(f.Key) != string(l.Message.Key):
	case f.Type != "" && TypeOf(l.Message) != f.Type:
	case f.Cause != "" && !strings.Contains(strings.ToLower(l.Cause), strings.ToLower(f.Cause)):
	case f.Origin != "" && l.Origin != f.Origin:
	case !f.After.IsZero() && l.Time.Before(f.After):
	case !f.Before.IsZero() && !l.Time.Before(f.Before):
	default:
		return true
	}
	return false
}

// Death is one time that a message was dead before it was replayed.
type Death struct {
	Cause    string    `json:"cause"`    // why, as in [DeadLetter]
	Attempts int       `json:"attempts"` // starts of the handler until then
	Origin   string    `json:"origin"`   // the source it came from
	Time     time.Time `json:"time"`     // when its dead letter was written
}

// The history travels in a header, so it is bounded: the last deaths, and so many bytes of each cause.
const (
	mostDeaths = 10
	mostCause  = 200
)

// History returns how often msg was dead before, the last time at the end: at most ten, the causes cut after 200 bytes. A message that was never replayed has
// none. The error says that the header cannot be read.
func History(msg *Message) ([]Death, error) {
	text := msg.Headers.Get(HeaderDeadHistory)
	if text == "" {
		return nil, nil
	}
	var deaths []Death
	if err := json.Unmarshal([]byte(text), &deaths); err != nil {
		return nil, fmt.Errorf("async: header %s: %w", HeaderDeadHistory, err)
	}
	return deaths, nil
}

// remember adds the death of l to the history in h. One that cannot be read begins anew.
func (l *DeadLetter) remember(h *Headers) error {
	deaths, err := History(&Message{Headers: *h})
	if err != nil {
		deaths = nil
	}
	cause := l.Cause
	if len(cause) > mostCause {
		cause = strings.ToValidUTF8(cause[:mostCause], "")
	}
	deaths = append(deaths, Death{Cause: cause, Attempts: l.Attempts, Origin: l.Origin, Time: l.Time.UTC()})
	text, err := json.Marshal(deaths[max(0, len(deaths)-mostDeaths):])
	if err != nil {
		return fmt.Errorf("header %s: %w", HeaderDeadHistory, err)
	}
	h.Set(HeaderDeadHistory, string(text))
	return nil
}

// DeadLetters returns the dead letters of the source, or false if the broker cannot show them.
func (c *Component) DeadLetters() (DeadLetters, bool) {
	keeper, ok := c.factory.(DeadLetterKeeper)
	if !ok {
		return nil, false
	}
	letters := keeper.DeadLetters()
	return letters, letters != nil
}
