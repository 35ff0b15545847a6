package async

import (
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/reliability"
)

// Scheduler is implemented by a [Producer] whose broker can hold a message back until it is due (Message.Due). A producer that is not one, of Kafka for
// instance, refuses such a message with an error that wraps errors.ErrUnsupported, is permanent, and says what the broker can do; so does one whose broker
// cannot hold it for so long. Nothing of that Send is sent: a message never goes out before its time because nobody looked. [Observed] does it, so a driver has
// only this method to write.
//
// A message that is held back is not in the order of its key until it is due: it stands then behind what was sent before that moment, and before what is sent
// after it. Until then it holds up nobody. A broker whose delays are in steps holds a message longer, never shorter.
type Scheduler interface {
	// MaxPublishDelay returns the longest time from a Send to Message.Due, the same as Traits.MaxPublishDelay. It does not block.
	MaxPublishDelay() time.Duration
}

// maxPublishDelay is what p can do.
func maxPublishDelay(p Producer) time.Duration {
	if s, ok := p.(Scheduler); ok {
		return s.MaxPublishDelay()
	}
	return 0
}

// checkTimes says which of mm cannot be sent because of its times. A time that has passed is no delay.
func checkTimes(mm []*Message, most time.Duration) error {
	var errs []error
	var now time.Time
	for i, m := range mm {
		if m.Due.IsZero() {
			continue
		}
		if now.IsZero() {
			now = time.Now()
		}
		delay := m.Due.Sub(now)
		switch {
		case delay > 0 && most <= 0:
			errs = append(errs, fmt.Errorf("message %d is due in %v: this broker cannot hold messages back: %w", i, delay, errors.ErrUnsupported))
		case delay > most && delay > 0:
			errs = append(errs, fmt.Errorf("message %d is due in %v: want at most %v with this broker: %w", i, delay, most, errors.ErrUnsupported))
		case !m.Expires.IsZero() && !m.Expires.After(m.Due):
			errs = append(errs, fmt.Errorf("message %d expires %v before it is due", i, m.Due.Sub(m.Expires)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return reliability.Permanent(err)
	}
	return nil
}
