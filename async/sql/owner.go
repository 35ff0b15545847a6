package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

// owner is what leases belong to: a consumer, from its registration until others take it for gone. It proves that it lives by a heartbeat, which is compared by
// the database's clock, and with PostgreSQL and MySQL by a lock that its connection holds.
type owner struct {
	queue *Queue
	id    int64
	claim *async.Claim
	conn  *sql.Conn // of the lock and the heartbeat; nil: there is no lock
}

// silence is how many heartbeats may fail to come; it must be seen twice, half a heartbeat apart, so that an owner whose database was locked can speak first.
const silence = 3

// errGone is why claims are lost when others took the owner for gone.
var errGone = errors.New("no heartbeat of this consumer arrived in time, so its messages were given to others")

// newOwner registers a new one.
func (q *Queue) newOwner(ctx context.Context) (*owner, error) {
	s := q.store
	o := &owner{queue: q, id: rand.Int64N(1<<62) + 1, claim: async.NewClaim()}
	if s.dialect != SQLite && !q.config.heartbeatOnly {
		if most := s.db.Stats().MaxOpenConnections; most == 1 {
			return nil, reliability.Permanent(errors.New("the database has 1 connection at most: want 2 or more, because a consumer keeps one"))
		}
		if err := o.lock(ctx); err != nil {
			return nil, fmt.Errorf("lock of the owner: %w", err)
		}
	}
	err := s.write(ctx, func(ctx context.Context, ex Tx) error {
		_, err := s.exec(ctx, ex, `INSERT INTO {owners} (id, seen, process) VALUES (?, {now}, ?)`, o.id, process())
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("register owner: %w", err), o.unlock(ctx))
	}
	return o, nil
}

// process names this process for a person who looks into the table.
func process() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return host[:min(len(host), 200)] + "/" + strconv.Itoa(os.Getpid())
}

func (o *owner) lockName() string { return "owner/" + strconv.FormatInt(o.id, 36) }

// lock takes a connection out of the pool and, on it, a lock that ends with it.
func (o *owner) lock(ctx context.Context) error {
	s := o.queue.store
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	got := false
	switch s.dialect {
	case PostgreSQL:
		err = conn.QueryRowContext(ctx, s.text(`SELECT pg_try_advisory_lock(?)`), s.lockKey(o.lockName())).Scan(&got)
	case MySQL:
		err = conn.QueryRowContext(ctx, `SELECT coalesce(GET_LOCK(?, 0), 0) = 1`, s.lockName(o.lockName())).Scan(&got)
	case SQLite:
	}
	if err == nil && !got {
		err = errors.New("somebody else has it")
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	o.conn = conn
	return nil
}

// unlock gives the connection back to the pool, without the lock. A connection on which that fails is closed, which ends the lock as well.
func (o *owner) unlock(ctx context.Context) error {
	if o.conn == nil {
		return nil
	}
	s := o.queue.store
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	var err error
	switch s.dialect {
	case PostgreSQL:
		_, err = o.conn.ExecContext(ctx, s.text(`SELECT pg_advisory_unlock(?)`), s.lockKey(o.lockName()))
	case MySQL:
		_, err = o.conn.ExecContext(ctx, `DO RELEASE_LOCK(?)`, s.lockName(o.lockName()))
	case SQLite:
	}
	if err != nil {
		discard(o.conn)
	}
	_ = o.conn.Close() // it is the pool's either way
	o.conn = nil
	return err
}

// beat says that o lives. It returns errGone if others have taken it for gone.
func (o *owner) beat(ctx context.Context) error {
	s := o.queue.store
	var n int64
	touch := func(ctx context.Context, ex Tx) error {
		result, err := s.exec(ctx, ex, `UPDATE {owners} SET seen = {now} WHERE id = ?`, o.id)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	}
	var err error
	switch {
	case o.conn != nil:
		err = touch(ctx, o.conn)
		for n := 1; again(err) && pause(ctx, backoff(n)); n++ {
			err = touch(ctx, o.conn)
		}
	case s.dialect == SQLite:
		err = s.write(ctx, touch)
	default:
		err = s.alone(ctx, touch)
	}
	if err == nil && n == 0 {
		err = errGone
	}
	return err
}

// giveUp gives back what o still holds, attempts not spent, and signs off.
func (o *owner) giveUp(ctx context.Context) error {
	s := o.queue.store
	err := s.write(ctx, func(ctx context.Context, ex Tx) error {
		if err := s.free(ctx, ex, o.id, 1); err != nil {
			return err
		}
		_, err := s.exec(ctx, ex, `DELETE FROM {owners} WHERE id = ?`, o.id)
		return err
	})
	_ = o.unlock(ctx) // an error of it has closed the connection, and the lock with it
	return err
}

// free gives back what an owner holds, with so many attempts less.
func (s *store) free(ctx context.Context, ex Tx, id int64, unspent int) error {
	_, err := s.exec(ctx, ex, `UPDATE {messages by owner} SET owner = NULL, due = CASE WHEN lane IS NULL THEN {now} END,
		attempts = CASE WHEN attempts > 0 THEN attempts - ? ELSE 0 END WHERE owner = ?`, unspent, id)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, ex, `UPDATE {heads by owner} SET owner = NULL, due = {now} WHERE owner = ?`, id)
	return err
}

// keepAlive beats until ctx ends, and looks after the queue twice a beat.
func (c *consumer) keepAlive(ctx context.Context) {
	beat := c.queue.config.heartbeat
	last := time.Now()
	for n := 1; pause(ctx, beat/2); n++ {
		o := c.current()
		if n%2 == 0 {
			limited, cancel := context.WithTimeout(ctx, max(silence*beat, time.Second))
			err := o.beat(limited)
			cancel()
			switch {
			case err == nil:
				last = time.Now()
			case ctx.Err() != nil:
				return
			case errors.Is(err, errGone):
				c.renew(ctx, o)
			case o.conn != nil && gone(err):
				c.fail(fmt.Errorf("heartbeat: %w", err)) // and with the connection the lock
				return
			case c.queue.store.dialect != SQLite && time.Since(last) > silence*beat:
				c.fail(fmt.Errorf("heartbeat, for %v: %w", time.Since(last).Round(time.Millisecond), err))
				return
			default:
				c.report(fmt.Errorf("heartbeat: %w", err))
				continue
			}
		}
		limited, cancel := context.WithTimeout(ctx, statementTime)
		err := c.queue.upkeep(limited, c, n%20 == 0)
		cancel()
		if ctx.Err() == nil {
			c.report(err)
		}
	}
}

// renew makes a new owner in the place of old, whose messages others have.
func (c *consumer) renew(ctx context.Context, old *owner) {
	old.claim.Lose(errGone)
	o, err := c.queue.newOwner(ctx)
	if err != nil {
		c.fail(err)
		return
	}
	c.mu.Lock()
	c.owner = o
	c.mu.Unlock()
	_ = old.giveUp(ctx) // it holds nothing, unless a lease was under way; what this misses is found as that of nobody
	c.signal()
}

// upkeep is what any consumer does for all: it frees what those hold who are gone, lets in what is due and, where that is wanted, removes what was kept long
// enough. With orphans it also looks for leases of owners that nobody knows.
func (q *Queue) upkeep(ctx context.Context, c *consumer, orphans bool) error {
	reaped, err := q.reap(ctx, c.current().id, orphans)
	if err != nil {
		return fmt.Errorf("free what others held: %w", err)
	}
	due, err := q.letIn(ctx)
	if err != nil {
		return fmt.Errorf("let in what is due: %w", err)
	}
	if reaped || due > 0 {
		q.Wake()
		c.signal() // it has not joined before it is made
	}
	if err := q.clean(ctx); err != nil {
		return fmt.Errorf("remove what was kept: %w", err)
	}
	return nil
}

// reap frees what those hold who are gone, and reports whether there was anybody.
func (q *Queue) reap(ctx context.Context, self int64, orphans bool) (bool, error) {
	s := q.store
	old := int64(silence * q.config.heartbeat / time.Microsecond)
	var silent, dead []int64
	err := s.query(ctx, s.db, `SELECT id, seen < {now} - ? FROM {owners} WHERE id <> ?`, []any{old, self}, func(rows *sql.Rows) error {
		var id int64
		var late bool
		err := rows.Scan(&id, &late)
		switch {
		case q.has(id): // it lives, however long the database has kept it from saying so
		case late:
			silent = append(silent, id)
		default:
			dead = append(dead, id) // if its lock is free
		}
		return err
	})
	if err != nil {
		return false, err
	}
	if orphans || len(dead) <= looksAt || rand.IntN(len(dead)) < looksAt { // all of them together look often enough
		dead, err = q.unlocked(ctx, dead)
	} else {
		dead = nil
	}
	if err != nil {
		return false, err
	}
	if len(silent) > 0 {
		// They may only have been kept from writing. Whoever lives has written when this pause and a transaction are over.
		if err := s.write(ctx, func(context.Context, Tx) error { return nil }); err != nil {
			return false, err
		}
		pause(ctx, q.config.heartbeat/2)
	}
	if len(silent)+len(dead) == 0 && !orphans {
		return false, nil
	}
	reaped := false
	err = s.write(ctx, func(ctx context.Context, ex Tx) error {
		late, err := s.dismiss(ctx, ex, silent, old)
		if err != nil {
			return err
		}
		reaped, err = s.dismiss(ctx, ex, dead, 0)
		reaped = reaped || late
		if err != nil || !orphans {
			return err
		}
		ids, err := s.orphans(ctx, ex)
		for _, id := range ids {
			err = errors.Join(err, s.free(ctx, ex, id, 0))
			reaped = true
		}
		return err
	})
	return reaped, err
}

// has reports whether the owner with id is a consumer of this very Queue.
func (q *Queue) has(id int64) bool {
	q.mu.Lock()
	consumers := slices.Clone(q.consumers)
	q.mu.Unlock()
	return slices.ContainsFunc(consumers, func(c *consumer) bool { return c.current().id == id && c.failure() == nil })
}

// dismiss removes the owners with ids, if they are still silent for so long (0: however that is), frees what they hold, and reports whether there was anybody.
func (s *store) dismiss(ctx context.Context, ex Tx, ids []int64, silent int64) (found bool, err error) {
	for _, id := range slices.Sorted(slices.Values(ids)) {
		statement, args := `DELETE FROM {owners} WHERE id = ?`, []any{id}
		if silent > 0 {
			statement, args = statement+` AND seen < {now} - ?`, append(args, silent)
		}
		result, err := s.exec(ctx, ex, statement, args...)
		if err != nil {
			return false, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return false, err
		}
		if n == 0 {
			continue
		}
		if err := s.free(ctx, ex, id, 0); err != nil {
			return false, err
		}
		found = true
	}
	return found, nil
}

// orphans returns the owners of leases that nobody knows: of a lease that was under way when its owner was taken for gone, or of tables restored without it.
func (s *store) orphans(ctx context.Context, ex Tx) (ids []int64, err error) {
	for _, table := range []string{"{messages}", "{heads}"} {
		err = s.query(ctx, ex, `SELECT DISTINCT owner FROM `+table+` WHERE owner IS NOT NULL AND owner NOT IN (SELECT id FROM {owners})`, nil,
			func(rows *sql.Rows) error {
				var id int64
				err := rows.Scan(&id)
				if !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// looksAt is up to how many other owners each consumer looks at the locks of; where there are more, it looks less often.
const looksAt = 8

// unlocked returns those of ids whose lock nobody holds: their connection, and so their process, is gone.
func (q *Queue) unlocked(ctx context.Context, ids []int64) (free []int64, err error) {
	s := q.store
	if s.dialect == SQLite || q.config.heartbeatOnly || len(ids) == 0 {
		return nil, nil
	}
	collect := func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		free = append(free, id)
		return err
	}
	if s.dialect == PostgreSQL { // they are taken for the moment of the statement
		keys := make([]int64, len(ids))
		for i, id := range ids {
			keys[i] = s.lockKey((&owner{id: id}).lockName())
		}
		err = s.query(ctx, s.db, `SELECT id FROM unnest(CAST(? AS bigint[]), CAST(? AS bigint[])) AS t (id, lock) WHERE pg_try_advisory_xact_lock(lock)`,
			[]any{array(ids), array(keys)}, collect)
		return free, err
	}
	parts, args := make([]string, len(ids)), make([]any, len(ids))
	for i, id := range ids {
		parts[i] = `SELECT ` + strconv.FormatInt(id, 10) + ` FROM DUAL WHERE IS_FREE_LOCK(?) = 1`
		args[i] = s.lockName((&owner{id: id}).lockName())
	}
	err = each(ctx, s.db, strings.Join(parts, " UNION ALL "), args, collect)
	return free, err
}

// Cleaning goes in small steps, each a transaction: so many rows a step, so many steps at a time.
const (
	cleanRows  = 500
	cleanSteps = 20
)

// clean removes acknowledged messages that were kept long enough.
func (q *Queue) clean(ctx context.Context) error {
	if q.config.retention == 0 {
		return nil
	}
	s := q.store
	old := int64(q.config.retention / time.Microsecond)
	for range cleanSteps {
		var ids []int64
		err := s.query(ctx, s.db, `SELECT id FROM {messages} WHERE queue = ? AND done < {now} - ? ORDER BY done LIMIT `+strconv.Itoa(cleanRows), []any{q.name, old},
			func(rows *sql.Rows) error {
				var id int64
				err := rows.Scan(&id)
				ids = append(ids, id)
				return err
			})
		if err != nil || len(ids) == 0 {
			return err
		}
		slices.Sort(ids)
		statement, args := s.deletion("messages", ids)
		err = s.write(ctx, func(ctx context.Context, ex Tx) error {
			_, err := ex.ExecContext(ctx, s.render(statement+` AND done IS NOT NULL`), args...)
			return err
		})
		if err != nil || len(ids) < cleanRows {
			return err
		}
	}
	return nil
}
