package amqp

import (
	"errors"
	"fmt"

	"github.com/beatlabs/patron/reliability"
)

// ErrBlocked says that the broker reads nothing from connections that publish, because its memory or disk is low (connection.blocked). What is to be sent
// waits until that is over or the context ends.
var ErrBlocked = errors.New("amqp: the broker blocks publishers")

// unroutableError says that a message reached no queue. It is permanent: the broker has refused it, and will until a binding is made.
type unroutableError struct{ exchange, key, reason string }

func (e *unroutableError) Error() string {
	if e.exchange == "" {
		return fmt.Sprintf("there is no queue %q: returned by the broker: %s", e.key, e.reason)
	}
	return fmt.Sprintf("exchange %q has no queue for the routing key %q: returned by the broker: %s", e.exchange, e.key, e.reason)
}

// Class makes the error permanent, see [reliability.Classify].
func (e *unroutableError) Class() reliability.Class { return reliability.ClassPermanent }
