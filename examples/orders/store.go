package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/beatlabs/patron/async"
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
	commits committer
	effects *Effects
	publish func(ctx context.Context, tx *sql.Tx, msg *async.Message) error // into the queue or outbox
	once    func(ctx context.Context, tx *sql.Tx, msg *async.Message) error // the inbox; an error that is errBefore: processed before
}

// errDifferent says that another order has the invoice. It was taken although its taker could not know.
var errDifferent = errors.New("another order has this invoice")

// migrate makes the tables of the shop.
func (s *store) migrate(ctx context.Context) error {
	if _, err := s.db.ExecContext(ctx, ordersSchema); err != nil {
		return fmt.Errorf("orders: schema: %w", err)
	}
	return nil
}

// Accept implements journal.
func (s *store) Accept(ctx context.Context, o *Order, digest [sha256.Size]byte, msg *async.Message) error {
	err := s.commits.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		inserted, err := affected(tx.ExecContext(ctx,
			"INSERT INTO shop_orders (invoice, customer, digest, value, status) VALUES (?, ?, ?, ?, ?) ON CONFLICT (invoice) DO NOTHING",
			o.Invoice, o.Customer, digest[:], o.Value().String(), string(Accepted)))
		switch {
		case err != nil:
			return err
		case inserted:
			return s.publish(ctx, tx, msg)
		default: // an earlier commit had succeeded, and nobody could know
			return same(ctx, tx, o.Invoice, digest)
		}
	})
	if err != nil {
		return fmt.Errorf("order %s: accept: %w", o.Invoice, err)
	}
	return nil
}

// same returns nil if the order that is there is the one with digest.
func same(ctx context.Context, tx *sql.Tx, invoice string, digest [sha256.Size]byte) error {
	var there []byte
	if err := tx.QueryRowContext(ctx, "SELECT digest FROM shop_orders WHERE invoice = ?", invoice).Scan(&there); err != nil {
		return err
	}
	if string(there) != string(digest[:]) {
		return errDifferent
	}
	return nil
}

// Finish implements journal.
func (s *store) Finish(ctx context.Context, msg *async.Message, o *Order, outcome Outcome) (Outcome, error) {
	err := s.commits.Do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if outcome.Status == Processed {
			if err := s.once(ctx, tx, msg); err != nil {
				return err
			}
		}
		before, err := outcomeOf(ctx, tx, o.Invoice)
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
	if errors.Is(err, errBefore) {
		return s.finished(ctx, o.Invoice)
	}
	if err != nil {
		return outcome, fmt.Errorf("order %s: finish: %w", o.Invoice, err)
	}
	s.effects.Forget(o.Invoice)
	return outcome, nil
}

// errBefore says that a message was processed before.
var errBefore = errors.New("processed before")

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
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func outcomeOf(ctx context.Context, q querier, invoice string) (Outcome, error) {
	var status, at string
	var o Outcome
	err := q.QueryRowContext(ctx, "SELECT status, attempts, cause, finished FROM shop_orders WHERE invoice = ?", invoice).
		Scan(&status, &o.Attempts, &o.Cause, &at)
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
	rows, err := s.db.QueryContext(ctx, "SELECT invoice, customer, digest, value, status, attempts, cause, finished FROM shop_orders ORDER BY effect IS NULL, effect, seq")
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

func affected(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
