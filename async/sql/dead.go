package sql

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
)

// deadLetters are those of one queue.
type deadLetters struct{ queue *Queue }

// letter is the Raw of a dead letter: the number of its row. A message that dies again gets a new one.
type letter struct {
	of *Queue
	id int64
}

var _ async.DeadLetters = (*deadLetters)(nil)

// DeadLetters implements async.DeadLetterKeeper. They are a table beside the queue, in which they stay until they are removed.
func (q *Queue) DeadLetters() async.DeadLetters { return &deadLetters{queue: q} }

// bury writes the dead letter of s, and does not take the message off.
func (c *consumer) bury(ctx context.Context, s *async.Settlement) error {
	d := deliveryOf(s.Message)
	return c.queue.store.write(ctx, func(ctx context.Context, ex Tx) error {
		ours := false
		err := c.queue.store.query(ctx, ex, `SELECT 1 FROM {messages} WHERE id = ? AND owner = ? AND deliveries = ?`, []any{d.id, d.owner.id, d.number},
			func(*sql.Rows) error { ours = true; return nil })
		if err != nil {
			return err
		}
		if !ours {
			return async.ErrLost
		}
		return c.writeLetter(ctx, ex, s)
	})
}

// writeLetter writes the dead letter of s in a transaction, in the place of the one that the message has already.
func (c *consumer) writeLetter(ctx context.Context, ex Tx, s *async.Settlement) error {
	st, d, cause := c.queue.store, deliveryOf(s.Message), ""
	if s.Cause != nil {
		cause = strings.ReplaceAll(strings.ToValidUTF8(s.Cause.Error(), "\uFFFD"), "\x00", "\uFFFD")
	}
	statement, args := `DELETE FROM {dead} WHERE message = ?`, []any{d.id}
	if s.Message.ID != "" {
		statement, args = `DELETE FROM {dead} WHERE queue = ? AND msg_id = ?`, []any{c.queue.name, s.Message.ID}
	}
	if _, err := st.exec(ctx, ex, statement, args...); err != nil {
		return fmt.Errorf("dead letter in table %s: %w", st.text("{dead}"), err)
	}
	_, err := st.exec(ctx, ex, `INSERT INTO {dead} (`+columns+`, attempts, cause, origin, written, message)
		SELECT `+columns+`, CAST(? AS `+st.integer()+`), CAST(? AS `+st.textual()+`), queue, {now}, id FROM {messages} WHERE id = ?`, s.Message.Attempt, cause, d.id)
	if err != nil {
		return fmt.Errorf("dead letter in table %s: %w", st.text("{dead}"), err)
	}
	return nil
}

// integer and textual are types for parameters whose type does not follow from their place.
func (s *store) integer() string {
	if s.dialect == MySQL {
		return "SIGNED"
	}
	return "INTEGER"
}

func (s *store) textual() string {
	if s.dialect == MySQL {
		return "CHAR"
	}
	return "TEXT"
}

// page is how many letters are read at a time.
const page = 100

// List implements async.DeadLetters.
func (d *deadLetters) List(ctx context.Context, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
	return func(yield func(*async.DeadLetter, error) bool) {
		s := d.queue.store
		var last sql.NullInt64
		err := s.ready(ctx, s.db)
		if err == nil {
			err = s.query(ctx, s.db, `SELECT max(id) FROM {dead} WHERE queue = ?`, []any{d.queue.name}, func(rows *sql.Rows) error { return rows.Scan(&last) })
		}
		if err != nil {
			yield(nil, d.queue.errorf("list dead letters of", err))
			return
		}
		for from := int64(0); from < last.Int64; {
			ll, err := d.read(ctx, f, ` AND id > ? AND id <= ? ORDER BY id LIMIT `+strconv.Itoa(page), from, last.Int64)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, d.queue.errorf("list dead letters of", err))
				return
			}
			for _, l := range ll {
				from = l.Raw.(letter).id //nolint:forcetypeassert // read makes it
				if err := ctx.Err(); err != nil {
					yield(nil, d.queue.errorf("list dead letters of", err))
					return
				}
				if f.Match(l) && !yield(l, nil) {
					return
				}
			}
			if len(ll) < page {
				return
			}
		}
	}
}

// Count implements async.DeadLetters. It reads those that the database cannot choose.
func (d *deadLetters) Count(ctx context.Context, f async.DeadFilter) (int64, error) {
	s := d.queue.store
	var n int64
	if f.Type == "" && f.Cause == "" {
		condition, args := d.condition(f)
		err := s.ready(ctx, s.db)
		if err == nil {
			err = s.query(ctx, s.db, `SELECT count(*) FROM {dead} WHERE `+condition, args, func(rows *sql.Rows) error { return rows.Scan(&n) })
		}
		if err != nil {
			return 0, d.queue.errorf("count dead letters of", err)
		}
		return n, nil
	}
	for _, err := range d.List(ctx, f) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// Get implements async.DeadLetters.
func (d *deadLetters) Get(ctx context.Context, id string) (*async.DeadLetter, error) {
	err := d.queue.store.ready(ctx, d.queue.store.db)
	var ll []*async.DeadLetter
	if err == nil {
		ll, err = d.read(ctx, async.DeadFilter{ID: id}, ` AND msg_id = ? ORDER BY id DESC LIMIT 1`, id)
	}
	if err == nil && len(ll) == 0 {
		err = fmt.Errorf("%w with ID %q", async.ErrNoLetter, id)
	}
	if err != nil {
		return nil, d.queue.errorf("get dead letter of", err)
	}
	return ll[0], nil
}

// Remove implements async.DeadLetters.
func (d *deadLetters) Remove(ctx context.Context, ll ...*async.DeadLetter) error {
	var ids []int64
	for _, l := range ll {
		if l == nil {
			continue
		}
		if raw, ok := l.Raw.(letter); ok && raw.of.name == d.queue.name && raw.of.store.prefix == d.queue.store.prefix {
			ids = append(ids, raw.id)
		}
	}
	s := d.queue.store
	for len(ids) > 0 {
		n := min(len(ids), 1000)
		statement, args := s.deletion("dead", ids[:n])
		err := s.write(ctx, func(ctx context.Context, ex Tx) error {
			_, err := ex.ExecContext(ctx, s.render(statement+` AND queue = ?`), append(args, d.queue.name)...)
			return err
		})
		if err != nil {
			return d.queue.errorf("remove dead letters of", err)
		}
		ids = ids[n:]
	}
	return nil
}

// ceil is the first time that the tables can have which is not before t.
func ceil(t time.Time) int64 {
	micros := t.UnixMicro()
	if time.UnixMicro(micros).Before(t) {
		micros++
	}
	return micros
}

// condition is what of f the database can look for.
func (d *deadLetters) condition(f async.DeadFilter) (condition string, args []any) {
	condition, args = `queue = ?`, []any{d.queue.name}
	add := func(more string, arg any) { condition, args = condition+` AND `+more, append(args, arg) }
	if f.ID != "" {
		add(`msg_id = ?`, f.ID)
	}
	if len(f.Key) > 0 {
		add(`msg_key = ?`, f.Key)
	} else if f.Key != nil {
		condition += ` AND msg_key IS NULL`
	}
	if f.Origin != "" {
		add(`origin = ?`, f.Origin)
	}
	if !f.After.IsZero() {
		add(`written >= ?`, ceil(f.After))
	}
	if !f.Before.IsZero() {
		add(`written < ?`, ceil(f.Before))
	}
	return condition, args
}

// read reads letters that f may choose and that fit more, which goes on behind a condition.
func (d *deadLetters) read(ctx context.Context, f async.DeadFilter, more string, moreArgs ...any) (ll []*async.DeadLetter, err error) {
	s := d.queue.store
	condition, args := d.condition(f)
	statement := `SELECT ` + columns + `, id, attempts, cause, origin, written FROM {dead} WHERE ` + condition + more
	source := d.queue.newSource()
	err = s.query(ctx, s.db, statement, append(args, moreArgs...), func(rows *sql.Rows) error {
		l := &async.DeadLetter{}
		raw := letter{of: d.queue}
		var written int64
		m, err := scanMessage(rows, source, &raw.id, &l.Attempts, &l.Cause, &l.Origin, &written)
		if err != nil {
			return err
		}
		m.Attempt = l.Attempts
		l.Message, l.Time, l.Raw = m, timeOf(written), raw
		ll = append(ll, l)
		return nil
	})
	return ll, err
}
