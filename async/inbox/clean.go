package inbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/beatlabs/patron/component"
	plog "github.com/beatlabs/patron/log"
)

// cleanStep is how many messages one statement forgets at most, so that none holds many locks.
const cleanStep = 1000

// Clean forgets the messages of the consumer that were done longer ago than [WithTTL], and returns how many. It deletes in steps of a thousand, each a
// transaction of its own, until there are no more, ctx ends or the database fails. Several may clean at the same time.
func (in *Inbox) Clean(ctx context.Context, db *sql.DB) (int64, error) {
	before := time.Now().Add(-in.config.ttl).UnixMilli()
	var sum int64
	for {
		result, err := db.ExecContext(ctx, in.statements.clean, in.config.consumer, before)
		var n int64
		if err == nil {
			n, err = result.RowsAffected()
		}
		if err != nil {
			return sum, fmt.Errorf("inbox: clean %s of consumer %q: %w", in.config.table, in.config.consumer, err)
		}
		if sum += n; n < cleanStep {
			return sum, nil
		}
	}
}

// Cleaner is a component that cleans an inbox while a service runs. Make it with [Inbox.Cleaner].
type Cleaner struct {
	inbox *Inbox
	db    *sql.DB

	mu  sync.Mutex // guards err
	err error      // of the last time
}

var (
	_ component.Component = (*Cleaner)(nil)
	_ component.Starter   = (*Cleaner)(nil)
	_ component.Checker   = (*Cleaner)(nil)
)

// Cleaner returns a component that looks whether the schema is there when the service starts, which fails otherwise, and then does [Inbox.Clean] at once and
// every [WithCleanInterval]. A failure is logged and shown on /ready until the next success. It does not close db.
func (in *Inbox) Cleaner(db *sql.DB) (*Cleaner, error) {
	if db == nil {
		return nil, errors.New("inbox: cleaner: database is nil")
	}
	return &Cleaner{inbox: in, db: db}, nil
}

// String names the component.
func (c *Cleaner) String() string { return "inbox cleaner of " + c.inbox.config.consumer }

// Start implements component.Starter.
func (c *Cleaner) Start(ctx context.Context) error { return c.inbox.CheckSchema(ctx, c.db) }

// Check implements component.Checker: it returns why the last cleaning failed.
func (c *Cleaner) Check(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Run implements component.Component. It returns nil when ctx ends; a statement that is under way is ended with it.
func (c *Cleaner) Run(ctx context.Context) error {
	ticker := time.NewTicker(c.inbox.config.every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		c.clean(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	return nil
}

func (c *Cleaner) clean(ctx context.Context) {
	n, err := c.inbox.Clean(ctx, c.db)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		plog.Slog(ctx).WarnContext(ctx, "inbox not cleaned", "consumer", c.inbox.config.consumer, "error", err.Error())
	} else if n > 0 {
		plog.Slog(ctx).DebugContext(ctx, "inbox cleaned", "consumer", c.inbox.config.consumer, "forgotten", n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}
