package memory

import (
	"fmt"
	"strconv"
	"time"

	"github.com/beatlabs/patron/async"
)

// deadLetters are the messages of one queue that were rejected, in the order in which they first were.
type deadLetters struct {
	letters []*async.Message
	byID    map[string]int // place of the letter with an ID, from 1
}

// writeDeadLocked writes it to the dead letters of q. A message that is there already, which happens when its settlement failed afterwards, is replaced:
// twice is safe. It is recognised by its ID; without one, by its place in the queue.
func (q *queue) writeDeadLocked(it *item, attempts int, cause error) error {
	d := &q.dead
	at := it.letter
	if at == 0 && it.msg.ID != "" {
		at = d.byID[it.msg.ID]
	}
	if at == 0 && len(d.letters) >= q.config.deadCapacity {
		return fmt.Errorf("dead letters of %s are full, %d messages", q.name, len(d.letters))
	}
	letter := q.newLetter(it, attempts, cause)
	if at == 0 {
		d.letters = append(d.letters, letter)
		at = len(d.letters)
	} else {
		d.letters[at-1] = letter
	}
	it.letter = at
	if it.msg.ID != "" {
		if d.byID == nil {
			d.byID = make(map[string]int)
		}
		d.byID[it.msg.ID] = at
	}
	return nil
}

// newLetter returns a copy of the message with the headers that say why it is dead.
func (q *queue) newLetter(it *item, attempts int, cause error) *async.Message {
	m := q.copyOf(it)
	m.Attempt = attempts
	reason := ""
	if cause != nil {
		reason = cause.Error()
	}
	m.Headers.Set(async.HeaderDeadCause, reason)
	m.Headers.Set(async.HeaderDeadAttempt, strconv.Itoa(attempts))
	m.Headers.Set(async.HeaderDeadOrigin, q.source.String())
	m.Headers.Set(async.HeaderDeadTime, time.Now().UTC().Format(time.RFC3339Nano))
	return m
}

// DeadLetters returns copies of the dead letters of queue, in the order in which they were written. Their headers say why (async.HeaderDeadCause), after
// how many attempts, where they came from and when they were written.
func (b *Broker) DeadLetters(queue string) []*async.Message {
	q := b.queue(queue)
	q.mu.Lock()
	defer q.mu.Unlock()
	letters := make([]*async.Message, len(q.dead.letters))
	for i, m := range q.dead.letters {
		letters[i] = m.Clone()
	}
	return letters
}
