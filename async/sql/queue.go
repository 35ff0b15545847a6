package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/beatlabs/patron/async"
)

// maxDelay bounds the delay of a retry and how long a message is held back.
const maxDelay = 365 * 24 * time.Hour

// stopWait bounds how long a Receive goes on when its context has ended: a lease that is under way comes to its end.
const stopWait = time.Second

// Queue is one queue in a database: a factory of consumers for async.New, and where producers come from. Make it with [New]. Its methods may be called
// concurrently. One Queue is best shared by all of a process that uses the queue: its producers wake its consumers without looking at the database, and with
// SQLite they share transactions.
type Queue struct {
	store  *store
	name   string
	config config

	mu        sync.Mutex // guards what follows
	consumers []*consumer
	abandoned []*owner // of consumers that could not sign off when they were closed
}

var (
	_ async.ConsumerFactory  = (*Queue)(nil)
	_ async.DeadLetterKeeper = (*Queue)(nil)
)

// New returns the queue with a name, of at most 100 bytes, in the tables that [Migrate] made. It does not look at the database: that the tables are missing or
// old is said by Create and Send. db stays the caller's, who closes it after everything that uses the queue has stopped. Of its connections each consumer of
// PostgreSQL and MySQL keeps one, see doc.go; a bound of them (SetMaxOpenConns) must leave room for that.
func New(db *sql.DB, dialect Dialect, queue string, oo ...OptionFunc) (*Queue, error) {
	c, err := configure(dialect, oo)
	var errs []error
	if db == nil {
		errs = append(errs, errors.New("db is nil"))
	}
	switch {
	case queue == "":
		errs = append(errs, errors.New("queue name is empty"))
	case len(queue) > mostQueue:
		errs = append(errs, fmt.Errorf("queue name of %d bytes: want at most %d", len(queue), mostQueue))
	case !utf8.ValidString(queue), strings.ContainsRune(queue, 0), strings.TrimSpace(queue) != queue:
		errs = append(errs, fmt.Errorf("queue name %q: want UTF-8 without a zero byte and without spaces around it", queue))
	}
	if dialect == SQLite && strings.Contains(c.prefix, ".") {
		errs = append(errs, fmt.Errorf("prefix %q: want one without a dot for SQLite", c.prefix))
	}
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("sql: queue %q: %w", queue, err)
	}
	return &Queue{store: newStore(db, dialect, c.prefix), name: queue, config: c}, nil
}

// Create implements async.ConsumerFactory.
func (q *Queue) Create(ctx context.Context) (async.Consumer, error) {
	c, err := q.create(ctx)
	if err != nil {
		return nil, q.errorf("consume", err)
	}
	return c, nil
}

// Traits implements async.ConsumerFactory.
func (q *Queue) Traits() async.Traits {
	order := async.OrderedGroup
	if q.config.unordered {
		order = async.OrderedNone
	}
	return async.Traits{
		Ordered:          order,
		DeadLetters:      true,
		MaxDelay:         maxDelay,
		StopWait:         stopWait,
		Redelivers:       true,
		CountsDeliveries: true,
		MaxPublishDelay:  maxDelay,
	}
}

// Wake ends the wait of the consumers that this Queue made. Call it after the commit of a transaction in which messages were published: the Queue cannot know
// when that is. It does not block. Without it they are found when the consumers look next, see [WithPoll].
func (q *Queue) Wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range q.consumers {
		c.signal()
	}
}

// join adds c to those that are woken.
func (q *Queue) join(c *consumer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.consumers = append(q.consumers, c)
}

// leave removes c from them.
func (q *Queue) leave(c *consumer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.consumers = slices.DeleteFunc(q.consumers, func(other *consumer) bool { return other == c })
}

// abandon keeps o, whose consumer is closed, for the next one that has a connection to sign off with.
func (q *Queue) abandon(o *owner) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.abandoned = append(q.abandoned, o)
}

// signOff gives back what the abandoned owners hold.
func (q *Queue) signOff(ctx context.Context) error {
	q.mu.Lock()
	abandoned := q.abandoned
	q.abandoned = nil
	q.mu.Unlock()
	for i, o := range abandoned {
		if err := o.giveUp(ctx); err != nil {
			q.mu.Lock()
			q.abandoned = append(q.abandoned, abandoned[i:]...)
			q.mu.Unlock()
			return err
		}
	}
	return nil
}

func (q *Queue) newSource() *async.Source {
	return &async.Source{System: q.store.dialect.system(), Name: q.name, Partition: -1}
}

func (q *Queue) errorf(operation string, err error) error {
	return fmt.Errorf("sql: %s queue %s: %w", operation, q.name, err)
}
