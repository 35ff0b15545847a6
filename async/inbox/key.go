package inbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/beatlabs/patron/async"
)

// Key names a message to one consumer.
type Key struct {
	Consumer string // its name
	ID       string // any bytes, at most [MaxID]
}

// MaxID is how long the ID of a [Key] is at most, in bytes. Of a message with a longer one it is a hash.
const MaxID = 255

// keyOf returns the key of msg.
func keyOf(consumer string, msg *async.Message) (Key, error) {
	if msg == nil || msg.ID == "" {
		return Key{}, noID(msg)
	}
	id := msg.ID
	if len(id) > MaxID {
		hash := sha256.Sum256([]byte(id))
		id = "sha256:" + hex.EncodeToString(hash[:])
	}
	return Key{Consumer: consumer, ID: id}, nil
}

// duplicate says that the effect of the message has happened.
func (k Key) duplicate() error {
	return fmt.Errorf("inbox: message %q of consumer %q: %w", k.ID, k.Consumer, async.ErrDuplicate)
}

// errorf says what failed with the message.
func (k Key) errorf(operation string, err error) error {
	return fmt.Errorf("inbox: %s message %q of consumer %q: %w", operation, k.ID, k.Consumer, err)
}
