package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// largestGroup bounds how many jobs share a commit.
const largestGroup = 128

// commitTime bounds one commit with all of its jobs.
const commitTime = 30 * time.Second

// committer runs jobs in transactions of one database. A commit of SQLite waits for the disk, so jobs that come while one is under way share the next.
// It may be used concurrently.
type committer struct {
	db *sql.DB

	mu      sync.Mutex // guards everything below
	waiting []*job
	running bool
}

// job is a part of a transaction.
type job struct {
	do   func(ctx context.Context, tx *sql.Tx) error
	err  error
	done chan struct{}
}

// errUndecided says that somebody stopped waiting for a commit.
var errUndecided = errors.New("the commit is not known to have succeeded")

// Do returns nil once what do did is committed. If do fails nothing of it stays. If ctx ends first the outcome is not known.
func (c *committer) Do(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	j := &job{do: do, done: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, j)
	if !c.running {
		c.running = true
		go c.run(context.WithoutCancel(ctx))
	}
	c.mu.Unlock()
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errUndecided, context.Cause(ctx))
	}
}

// run commits groups until nobody waits.
func (c *committer) run(ctx context.Context) {
	for {
		c.mu.Lock()
		n := min(len(c.waiting), largestGroup)
		if n == 0 {
			c.running = false
			c.mu.Unlock()
			return
		}
		group := c.waiting[:n:n]
		c.waiting = c.waiting[n:]
		c.mu.Unlock()
		c.commit(ctx, group)
	}
}

// commit runs a group in one transaction.
func (c *committer) commit(ctx context.Context, group []*job) {
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	err := c.transact(ctx, group)
	for _, j := range group {
		if j.err == nil {
			j.err = err
		}
		close(j.done)
	}
}

func (c *committer) transact(ctx context.Context, group []*job) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, j := range group {
		if err := apart(ctx, tx, j); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// apart runs a job behind a savepoint, so that its failure is its own.
func apart(ctx context.Context, tx *sql.Tx, j *job) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT job"); err != nil {
		return err
	}
	if j.err = j.do(ctx, tx); j.err != nil {
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO job"); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "RELEASE job")
	return err
}
