package sqs

import (
	"fmt"
	"time"
)

// OptionFunc sets one option of a consumer factory. It checks its value; [New] joins what it says.
type OptionFunc func(*config) error

type config struct {
	receivers  int
	wait       time.Duration
	visibility time.Duration
	dead       *queue // nil: SQS is left to move what fails
	envelope   Envelope
}

func defaultConfig() config {
	return config{receivers: 4, wait: 5 * time.Second, visibility: 30 * time.Second}
}

// The limits of SQS.
const (
	mostWait       = 20 * time.Second
	mostVisibility = 12 * time.Hour // from the receipt of a message, however often it is extended
	mostEntries    = 10             // of a batch, and messages of a receive
	mostBytes      = 1 << 20        // of a message with its attributes, and of a batch
	mostTopicBytes = 256 << 10      // of a batch to a topic
	mostDelay      = 15 * time.Minute
)

// WithReceivers sets how many receive calls are open at a time, 1 to 100. The default is 4. They only fetch: how many handlers run is async.WithConcurrency,
// so that 4 receivers with 2 workers each are 4 receivers and a concurrency of 8; how many messages wait for a handler is bounded by async.WithMaxHeld. A
// receiver brings up to 10 messages per call, so few are enough; each costs one request per [WithWait] while the queue is empty.
func WithReceivers(n int) OptionFunc {
	return func(c *config) error {
		if n < 1 || n > 100 {
			return fmt.Errorf("receivers %d: want 1 to 100", n)
		}
		c.receivers = n
		return nil
	}
}

// WithWait sets how long a receive call waits for a message, in whole seconds up to 20. The default is 5 s. A longer wait makes fewer requests, which SQS
// charges for, and is no later: a message ends it. But a stop takes as long, because a call that is cancelled hides the message that SQS gives it for the
// visibility time. So a consumer whose wait is longer than the grace period of the service (10 s by default) is refused when it connects.
func WithWait(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d < time.Second || d > mostWait || d%time.Second != 0 {
			return fmt.Errorf("wait %v: want whole seconds, 1 s to %v", d, mostWait)
		}
		c.wait = d
		return nil
	}
}

// WithVisibility sets how long SQS hides a message that was received, in whole seconds from 2 s to 12 h. The default is 30 s, whatever the queue says. The
// engine extends it at half of this time from receipt to settlement, waiting included, so it need not cover the handler: it is how long the messages of a
// process that died take to come again, and how long SQS may be out of reach before they do.
func WithVisibility(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d < 2*time.Second || d > mostVisibility || d%time.Second != 0 {
			return fmt.Errorf("visibility %v: want whole seconds, 2 s to %v", d, mostVisibility)
		}
		c.visibility = d
		return nil
	}
}

// WithDeadLetterQueue sets the queue, by URL, name or ARN, to which messages are sent that failed for good, with headers that say why; once that is confirmed
// they are deleted. A standard queue is best, also for a FIFO source: letters need no order, and it can be listed whole. It may be the queue of the redrive
// policy, too: what SQS moves by itself stands there beside what was sent.
//
// Without it the factory has no dead letters (Traits.DeadLetters), and the engine's strategy decides: with async.NackStrategy a message that fails for good is
// tried again until the redrive policy of the queue moves it, as it is and without a reason, and a FIFO group then goes on behind its poison.
func WithDeadLetterQueue(queue string) OptionFunc {
	return func(c *config) error {
		q, err := parseQueue(queue)
		if err != nil {
			return fmt.Errorf("dead letter queue: %w", err)
		}
		c.dead = q
		return nil
	}
}

// Envelope says what becomes of a body that SNS has wrapped.
type Envelope uint8

// The ways to treat envelopes.
const (
	EnvelopeAuto Envelope = iota // unwrap what is one: JSON with the Type Notification, a TopicArn and a MessageId
	EnvelopeSNS                  // unwrap every JSON object that has a Message that is a string; what is none is given as it is
	EnvelopeRaw                  // unwrap nothing
)

// String returns the name in lower case.
func (e Envelope) String() string {
	switch e {
	case EnvelopeAuto:
		return "auto"
	case EnvelopeSNS:
		return "sns"
	case EnvelopeRaw:
		return "raw"
	default:
		return fmt.Sprintf("unknown envelope %d", uint8(e))
	}
}

// WithEnvelope sets what becomes of a body that SNS has wrapped. The default is EnvelopeAuto, which suits topics with and without raw message delivery.
func WithEnvelope(e Envelope) OptionFunc {
	return func(c *config) error {
		if e > EnvelopeRaw {
			return fmt.Errorf("envelope %d: want EnvelopeAuto, EnvelopeSNS or EnvelopeRaw", e)
		}
		c.envelope = e
		return nil
	}
}
