package inbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
	psql "github.com/beatlabs/patron/async/sql"
	"github.com/beatlabs/patron/reliability"
)

// Inbox notes the messages of one consumer in the transactions of their effects. It may be used concurrently. Make it with [New].
type Inbox struct {
	config     *config
	dialect    psql.Dialect
	statements statements
}

var _ async.Deduplicator = (*Inbox)(nil)

// Tx is a transaction: a *sql.Tx, or a *sql.Conn on which one was begun.
type Tx interface {
	// ExecContext is the method of *sql.Tx.
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// New returns the inbox of a consumer, in a database that speaks dialect. The name is part of what is stored: who changes it processes everything again that
// comes again; replicas of a service share it. New opens nothing and touches no database, and returns every fault of its arguments, joined.
func New(consumer string, dialect psql.Dialect, oo ...OptionFunc) (*Inbox, error) {
	c, err := newConfig(consumer, oo)
	if c != nil {
		err = errors.Join(err, refuse(c.ofGuard, "an inbox in a transaction knows nothing in flight"))
	}
	var table statements
	if err == nil {
		table, err = newStatements(dialect, c.table)
	}
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	return &Inbox{config: c, dialect: dialect, statements: table}, nil
}

// Once notes in tx that the effect of msg happens now, or returns an error that wraps async.ErrDuplicate if it has happened before: the handler then rolls tx
// back and returns the error, and the engine takes the message off. Any other error means that nothing is known, and tx must be rolled back as well; that of a
// message without an ID is [ErrNoID].
//
// It belongs at the beginning of tx. While another transaction has noted the same message and not ended, Once waits for it, until ctx ends or for as long as
// the database lets it; SQLite does not wait within a transaction that has read before.
func (in *Inbox) Once(ctx context.Context, tx Tx, msg *async.Message) error {
	key, err := keyOf(in.config.consumer, msg)
	if err != nil {
		return err
	}
	if err := checkTx(tx); err != nil {
		return key.errorf("note", err)
	}
	result, err := tx.ExecContext(ctx, in.statements.insert, key.Consumer, []byte(key.ID), time.Now().UnixMilli())
	if err != nil {
		return key.errorf("note", err)
	}
	n, err := result.RowsAffected()
	switch {
	case err != nil:
		return key.errorf("note", err)
	case n != 1:
		return key.duplicate()
	}
	return nil
}

// checkTx refuses what would note a message although its effect is rolled back.
func checkTx(tx Tx) error {
	switch tx := tx.(type) {
	case *sql.Tx:
		if tx != nil {
			return nil
		}
	case *sql.DB:
		return reliability.Permanent(fmt.Errorf("%T is no transaction: want a *sql.Tx", tx))
	case nil:
	default:
		return nil
	}
	return reliability.Permanent(errors.New("the transaction is nil"))
}

// Deduplicate implements async.Deduplicator. It puts around the handler what makes a message without an ID fail before the handler starts; the rest is the
// handler's, which calls [Inbox.Once]. It refuses a plan by which a message may come for the last time when it is forgotten.
func (in *Inbox) Deduplicate(p async.Plan) (async.MiddlewareFunc, error) {
	if err := in.config.checkTTL(longest(&p)); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	return func(next async.ProcessorFunc) async.ProcessorFunc {
		return func(ctx context.Context, msg *async.Message) error {
			if msg.ID == "" {
				return noID(msg)
			}
			return next(ctx, msg)
		}
	}, nil
}
