package sql

import (
	"context"
)

// Transact runs fn in a transaction and commits it, for effects that go together with messages: what fn writes with [Queue.Publish] into tx, and whatever else
// it does there, is there together or not at all. Consumers that this Queue made are woken after the commit.
//
// With SQLite the transactions of a process that come at the same time share a commit, which is what waits for the disk; an error of one does not touch the
// others. Elsewhere it is a transaction of its own (READ COMMITTED). If another transaction was in the way fn is run again, so what it does to anything but tx
// must bear repeating. fn must not end tx, nor use the database beside it.
//
// It blocks until the commit is certain. An error of fn is returned as it is, and nothing is committed; one that wraps async.ErrUnknown says that the commit
// may have happened. When ctx ends before fn began, fn is not run.
func (q *Queue) Transact(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	if err := q.store.write(ctx, fn); err != nil {
		return err
	}
	q.Wake()
	return nil
}
