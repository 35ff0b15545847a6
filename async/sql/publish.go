package sql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of one statement: of its parameters, and of what the servers take in one packet by default.
const (
	mostRows  = 100
	mostBytes = 1 << 20
)

// insertAll writes rows in a transaction of its own. If the database refuses some of them, errs says which and why, and the others are there.
func (q *Queue) insertAll(ctx context.Context, rows []*row) (errs []error, err error) {
	s := q.store
	if err := s.ready(ctx, s.db); err != nil {
		return nil, err
	}
	err = s.write(ctx, func(ctx context.Context, ex Tx) error { return q.insert(ctx, ex, rows) })
	if err == nil || len(rows) == 1 || gone(err) || again(err) {
		return nil, err
	}
	errs = make([]error, len(rows))
	return errs, s.write(ctx, func(ctx context.Context, ex Tx) error {
		for i, r := range rows {
			errs[i] = savepoint(ctx, ex, func() error { return q.insert(ctx, ex, []*row{r}) })
			if gone(errs[i]) || again(errs[i]) {
				return errs[i]
			}
		}
		return nil
	})
}

// savepoint runs fn, and undoes what it did if it fails. The rest of the transaction goes on.
func savepoint(ctx context.Context, ex Tx, fn func() error) error {
	if _, err := ex.ExecContext(ctx, "SAVEPOINT patron_one"); err != nil {
		return err
	}
	failed := fn()
	end := "RELEASE SAVEPOINT patron_one"
	if failed != nil {
		end = "ROLLBACK TO SAVEPOINT patron_one"
	}
	if _, err := ex.ExecContext(ctx, end); err != nil {
		if failed != nil {
			return fmt.Errorf("%w (%w)", failed, err)
		}
		return err
	}
	return failed
}

// insert writes rows in a transaction: those that are held back, then those with an order, under the locks of their keys, then the others.
func (q *Queue) insert(ctx context.Context, ex Tx, rows []*row) error {
	var held, laned, plain []*row
	now := time.Now().UnixMicro()
	for _, r := range rows {
		switch {
		case r.scheduled > now:
			held = append(held, r)
		case r.lane != nil:
			laned = append(laned, r)
		default:
			plain = append(plain, r)
		}
	}
	if err := q.insertHeld(ctx, ex, held); err != nil {
		return err
	}
	if len(laned) > 0 {
		locks := make([]int64, 0, len(laned))
		for _, r := range laned {
			locks = append(locks, int64(r.slot))
		}
		if _, err := q.store.lock(ctx, ex, locks, false); err != nil {
			return fmt.Errorf("lock of the key: %w", err)
		}
		if err := q.comeInBefore(ctx, ex, laned); err != nil {
			return err
		}
	}
	if err := q.insertLaned(ctx, ex, laned); err != nil {
		return err
	}
	return q.insertPlain(ctx, ex, plain)
}

// lock takes the locks of the writers of keys until the transaction ends, in an order in which nobody deadlocks, and returns which it got: with try it does not
// wait for others. A SQLite database has one writer.
func (s *store) lock(ctx context.Context, ex Tx, wanted []int64, try bool) (got []int64, err error) {
	wanted = slices.Clone(wanted)
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	collect := func(rows *sql.Rows) error {
		var slot int64
		err := rows.Scan(&slot)
		got = append(got, slot)
		return err
	}
	switch s.dialect {
	case PostgreSQL:
		if try {
			err = s.query(ctx, ex, `SELECT slot FROM unnest(CAST(? AS bigint[])) AS t (slot) WHERE pg_try_advisory_xact_lock(?, slot::int)`,
				[]any{array(wanted), s.slotClass()}, collect)
			return got, err
		}
		_, err = s.exec(ctx, ex, `SELECT CAST(pg_advisory_xact_lock(?, slot::int) AS text) FROM unnest(CAST(? AS bigint[])) AS t (slot)`,
			s.slotClass(), array(wanted))
		got = wanted
	case MySQL:
		from, args := s.rows("slots", "slot", wanted)
		end := " FOR UPDATE"
		if try {
			end += " SKIP LOCKED"
		}
		err = each(ctx, ex, s.render(`SELECT d.slot FROM `+from+end), args, collect)
		if err == nil && !try && len(got) < len(wanted) {
			err = fmt.Errorf("table %s has %d of %d rows: call Migrate", s.text("{slots}"), len(got), len(wanted))
		}
	case SQLite:
		got = wanted
	}
	return got, err
}

// chunks calls fn with so many of rows as one statement takes.
func chunks(rows []*row, fn func([]*row) error) error {
	for len(rows) > 0 {
		n, size := 0, 0
		for n < len(rows) && n < mostRows && (n == 0 || size+len(rows[n].data) <= mostBytes) {
			size += len(rows[n].data)
			n++
		}
		if err := fn(rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// values returns (?, ?, …), … for n rows of so many columns, with last behind them if it is not empty.
func values(n, columns int, last string) string {
	one := "(" + strings.Repeat("?, ", columns-1) + "?"
	if last != "" {
		one += ", " + last
	}
	one += ")"
	return strings.Repeat(one+", ", n-1) + one
}

func argsOf(rows []*row) []any {
	args := make([]any, 0, len(rows)*columnsOf)
	for _, r := range rows {
		args = append(args, r.args()...)
	}
	return args
}

func (q *Queue) insertPlain(ctx context.Context, ex Tx, rows []*row) error {
	return chunks(rows, func(rows []*row) error {
		_, err := q.store.exec(ctx, ex, `INSERT INTO {messages} (`+columns+`, due) VALUES `+values(len(rows), columnsOf, "{now}"), argsOf(rows)...)
		return err
	})
}

// insertHeld writes what is not due yet beside the queue.
func (q *Queue) insertHeld(ctx context.Context, ex Tx, rows []*row) error {
	return chunks(rows, func(rows []*row) error {
		args := make([]any, 0, len(rows)*(columnsOf+1))
		for _, r := range rows {
			args = append(append(args, r.args()...), r.scheduled)
		}
		_, err := q.store.exec(ctx, ex, `INSERT INTO {held} (`+columns+`, due) VALUES `+values(len(rows), columnsOf+1, ""), args...)
		return err
	})
}

// insertLaned writes messages with an order, whose locks are held, and sees to it that each of their lanes has a head. A head that is there is not touched, so
// that the transaction is in nobody's way: whoever takes an empty lane's head away does it under the same lock, or finds the ticket.
func (q *Queue) insertLaned(ctx context.Context, ex Tx, rows []*row) error {
	s := q.store
	return chunks(rows, func(rows []*row) error {
		insert := `INSERT INTO {messages} (` + columns + `) VALUES ` + values(len(rows), columnsOf, "")
		if s.dialect == PostgreSQL {
			_, err := s.exec(ctx, ex, `WITH m AS (`+insert+` RETURNING id, queue, lane) INSERT INTO {heads} (queue, lane, due, next_id)
				SELECT queue, lane, {now}, min(id) FROM m GROUP BY queue, lane ON CONFLICT (queue, lane) DO NOTHING`, argsOf(rows)...)
			return err
		}
		result, err := s.exec(ctx, ex, insert, argsOf(rows)...)
		if err != nil {
			return err
		}
		first, err := result.LastInsertId() // of several rows MySQL says the first one, SQLite the last one
		if err != nil {
			return err
		}
		statement := `INSERT INTO {tickets} (queue, lane, next_id) VALUES `
		last := ""
		if s.dialect == SQLite {
			first -= int64(len(rows)) - 1
			statement, last = `INSERT INTO {heads} (queue, lane, next_id, due) VALUES `, "{now}"
		}
		seen := make(map[string]bool, len(rows))
		var args []any
		for _, r := range rows {
			if !seen[string(r.lane)] {
				seen[string(r.lane)] = true
				args = append(args, r.queue, r.lane, first)
			}
		}
		statement += values(len(seen), 3, last)
		if s.dialect == SQLite {
			statement += ` ON CONFLICT (queue, lane) DO NOTHING`
		}
		_, err = s.exec(ctx, ex, statement, args...)
		return err
	})
}

// comeInBefore lets in what was held back and is due by now, of the lanes of rows, whose locks are held: it stands before what is sent after it is due.
func (q *Queue) comeInBefore(ctx context.Context, ex Tx, rows []*row) error {
	found := false
	err := q.store.query(ctx, ex, `SELECT 1 FROM {held} WHERE queue = ? AND due <= {now} LIMIT 1`, []any{q.name},
		func(*sql.Rows) error { found = true; return nil })
	if err != nil || !found {
		return err
	}
	lanes := make(map[string]bool)
	args := []any{q.name}
	for _, r := range rows {
		if !lanes[string(r.lane)] {
			lanes[string(r.lane)] = true
			args = append(args, r.lane)
		}
	}
	wait := strings.TrimSuffix(q.store.dialect.skipLocked(), " SKIP LOCKED")
	// Who has locked one of these rows is about to end, and waits for nobody.
	return q.comeIn(ctx, ex, `lane IN `+values(1, len(lanes), "")+` AND due <= {now} ORDER BY due, id`+wait, args, func([]byte, int) bool { return true })
}

// letIn lets in what is due, and reports how much that was. What belongs to a key whose lock somebody else has is left for the next time.
func (q *Queue) letIn(ctx context.Context) (n int, err error) {
	s := q.store
	found := false
	err = s.query(ctx, s.db, `SELECT 1 FROM {held} WHERE queue = ? AND due <= {now} LIMIT 1`, []any{q.name}, func(*sql.Rows) error { found = true; return nil })
	if err != nil || !found {
		return 0, err
	}
	err = s.write(ctx, func(ctx context.Context, ex Tx) error {
		n = 0
		var wanted []int64
		err := s.query(ctx, ex, `SELECT lane, msg_key FROM {held} WHERE queue = ? AND due <= {now} ORDER BY due, id LIMIT 200`, []any{q.name},
			func(rows *sql.Rows) error {
				var lane, key []byte
				err := rows.Scan(&lane, &key)
				if lane != nil {
					wanted = append(wanted, int64(slotOf(q.name, key)))
				}
				return err
			})
		if err != nil {
			return err
		}
		var got []int64
		if len(wanted) > 0 {
			if got, err = s.lock(ctx, ex, wanted, true); err != nil {
				return err
			}
		}
		return q.comeIn(ctx, ex, `due <= {now} ORDER BY due, id LIMIT 200{skip locked}`, []any{q.name}, func(lane []byte, slot int) bool {
			ok := lane == nil || slices.Contains(got, int64(slot))
			if ok {
				n++
			}
			return ok
		})
	})
	return n, err
}

// comeIn moves what was held back and fits condition into the queue, in the order in which it became due, if wanted agrees. The locks of its lanes are held.
func (q *Queue) comeIn(ctx context.Context, ex Tx, condition string, args []any, wanted func(lane []byte, slot int) bool) error {
	s := q.store
	var ids []int64
	var laned, plain []*row
	err := each(ctx, ex, s.render(`SELECT id, `+columns+` FROM {held by due} WHERE queue = ? AND `+condition), args, func(rows *sql.Rows) error {
		var id int64
		r := &row{}
		if err := rows.Scan(&id, &r.queue, &r.lane, &r.id, &r.key, &r.headers, &r.data, &r.published, &r.scheduled, &r.expires); err != nil {
			return err
		}
		if r.lane != nil {
			r.slot = slotOf(q.name, r.key)
		}
		if !wanted(r.lane, r.slot) {
			return nil
		}
		ids = append(ids, id)
		if r.lane != nil {
			laned = append(laned, r)
		} else {
			plain = append(plain, r)
		}
		return nil
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	statement, args := s.deletion("held", ids)
	if _, err := ex.ExecContext(ctx, s.render(statement), args...); err != nil {
		return err
	}
	if err := q.insertLaned(ctx, ex, laned); err != nil {
		return err
	}
	return q.insertPlain(ctx, ex, plain)
}
