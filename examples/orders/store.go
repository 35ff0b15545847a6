package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/inbox"
	psql "github.com/beatlabs/patron/async/sql"
)

// ordersSchema is where the shop keeps its orders. seq is the order of acceptance, effect the order of effects.
const ordersSchema = `
CREATE TABLE IF NOT EXISTS shop_orders (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	invoice  TEXT NOT NULL UNIQUE,
	customer TEXT NOT NULL,
	digest   BLOB NOT NULL,
	value    TEXT NOT NULL,
	status   TEXT NOT NULL,
	attempts INTEGER NOT NULL DEFAULT 0,
	cause    TEXT NOT NULL DEFAULT '',
	effect   INTEGER,
	finished TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS shop_orders_effect ON shop_orders (effect) WHERE effect IS NOT NULL;`

// store is the journal of a shop that outlives its process. An order and its message are one transaction, and so are the mark that the message was processed,
// what became of the order, and its line in the file of effects, which is written before the commit.
type store struct {
	db      *sql.DB
	queue   *psql.Queue // of the orders, or the outbox where another broker has them
	inbox   *inbox.Inbox
	effects *Effects
}

// errDifferent says that another order has the invoice. It was taken although its taker could not know.
var errDifferent = errors.New("another order has this invoice")

// openStore opens or makes the tables of the shop in its database.
func openStore(ctx context.Context, db *sql.DB, queue string, effects *Effects) (*store, error) {
	s := &store{db: db, effects: effects}
	var err error
	if s.queue, err = psql.New(db, psql.SQLite, queue); err != nil {
		return nil, err
	}
	if s.inbox, err = inbox.New(name, psql.SQLite); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, ordersSchema); err != nil {
		return nil, fmt.Errorf("orders: schema: %w", err)
	}
	return s, errors.Join(psql.Migrate(ctx, db, psql.SQLite), s.inbox.Migrate(ctx, db))
}

// Accept implements journal.
func (s *store) Accept(ctx context.Context, o *Order, digest [sha256.Size]byte, msg *async.Message) error {
	err := s.queue.Transact(ctx, func(ctx context.Context, tx psql.Tx) error {
		inserted, err := enterRow(ctx, tx, o, digest)
		switch {
		case err != nil:
			return err
		case inserted:
			return s.queue.Publish(ctx, tx, msg)
		default: // an earlier commit had succeeded, and nobody could know
			return same(ctx, tx, o.Invoice, digest)
		}
	})
	if err != nil {
		return fmt.Errorf("order %s: accept: %w", o.Invoice, err)
	}
	return nil
}

// enterRow makes the row of an order, and reports whether there was none.
func enterRow(ctx context.Context, tx psql.Tx, o *Order, digest [sha256.Size]byte) (bool, error) {
	result, err := tx.ExecContext(ctx,
		"INSERT INTO shop_orders (invoice, customer, digest, value, status) VALUES (?, ?, ?, ?, ?) ON CONFLICT (invoice) DO NOTHING",
		o.Invoice, o.Customer, digest[:], o.Value().String(), string(Accepted))
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// same returns nil if the order that is there is the one with digest.
func same(ctx context.Context, tx psql.Tx, invoice string, digest [sha256.Size]byte) error {
	var there []byte
	if err := row(ctx, tx, []any{&there}, "SELECT digest FROM shop_orders WHERE invoice = ?", invoice); err != nil {
		return err
	}
	if string(there) != string(digest[:]) {
		return errDifferent
	}
	return nil
}

// Finish implements journal.
func (s *store) Finish(ctx context.Context, msg *async.Message, o *Order, outcome Outcome) (Outcome, error) {
	err := s.queue.Transact(ctx, func(ctx context.Context, tx psql.Tx) error {
		if outcome.Status == Processed {
			if err := s.inbox.Once(ctx, tx, msg); err != nil {
				return err
			}
		}
		before, err := outcomeOf(ctx, tx, o.Invoice)
		if errors.Is(err, sql.ErrNoRows) { // of a broker that outlived the directory of -data
			_, err = enterRow(ctx, tx, o, digestOf(msg))
		}
		if err != nil || before.Status == Processed || before.Status == Dead {
			outcome = before
			return err
		}
		if outcome, err = s.effects.WriteOnce(o, outcome); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx,
			"UPDATE shop_orders SET status = ?, attempts = ?, cause = ?, finished = ?, "+
				"effect = (SELECT COALESCE(MAX(effect), 0) + 1 FROM shop_orders WHERE effect IS NOT NULL) WHERE invoice = ?",
			string(outcome.Status), outcome.Attempts, outcome.Cause, outcome.At.UTC().Format(time.RFC3339Nano), o.Invoice)
		return err
	})
	if errors.Is(err, async.ErrDuplicate) {
		return s.finished(ctx, o.Invoice)
	}
	if err != nil {
		return outcome, fmt.Errorf("order %s: finish: %w", o.Invoice, err)
	}
	s.effects.Forget(o.Invoice)
	return outcome, nil
}

// finished returns what became of an order.
func (s *store) finished(ctx context.Context, invoice string) (Outcome, error) {
	outcome, err := outcomeOf(ctx, s.db, invoice)
	if err != nil {
		return outcome, fmt.Errorf("order %s: %w", invoice, err)
	}
	return outcome, nil
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// row reads the one row of a query into the variables that into points to.
func row(ctx context.Context, q querier, into []any, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return errors.Join(rows.Err(), sql.ErrNoRows)
	}
	return errors.Join(rows.Scan(into...), rows.Close())
}

func outcomeOf(ctx context.Context, q querier, invoice string) (Outcome, error) {
	var status, at string
	var o Outcome
	err := row(ctx, q, []any{&status, &o.Attempts, &o.Cause, &at}, "SELECT status, attempts, cause, finished FROM shop_orders WHERE invoice = ?", invoice)
	if err != nil {
		return o, err
	}
	o.Status = Status(status)
	if at != "" {
		o.At, err = time.Parse(time.RFC3339Nano, at)
	}
	return o, err
}

// Load enters every order into the book, as the last process left it.
func (s *store) Load(ctx context.Context, b *Book) error {
	rows, err := s.db.QueryContext(ctx, "SELECT invoice, customer, digest, value, status, attempts, cause, finished FROM shop_orders "+
		"ORDER BY effect IS NULL, effect, seq")
	if err != nil {
		return fmt.Errorf("orders: load: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var invoice, customer, value, status, cause, at string
		var digest []byte
		var attempts int
		if err := rows.Scan(&invoice, &customer, &digest, &value, &status, &attempts, &cause, &at); err != nil {
			return fmt.Errorf("orders: load: %w", err)
		}
		e := &entry{invoice: invoice, customer: customer, status: Status(status), attempts: attempts, cause: cause}
		if len(digest) != sha256.Size {
			return fmt.Errorf("orders: load: order %s: digest of %d bytes, want %d", invoice, len(digest), sha256.Size)
		}
		copy(e.digest[:], digest)
		if e.value, err = parseMoney(value); err != nil {
			return fmt.Errorf("orders: load: order %s: %w", invoice, err)
		}
		if at != "" {
			if e.finished, err = time.Parse(time.RFC3339Nano, at); err != nil {
				return fmt.Errorf("orders: load: order %s: %w", invoice, err)
			}
		}
		b.restore(e)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("orders: load: %w", err)
	}
	return nil
}
