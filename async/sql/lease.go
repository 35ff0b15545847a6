package sql

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
)

// delivery is one message in the hands of a consumer; it is the Raw of the message.
type delivery struct {
	consumer *consumer
	owner    *owner
	id       int64
	number   int  // which delivery of the message it is: with the owner it tells it from all others
	run      *run // nil: it has no lane
	settled  bool // guarded by consumer.settling
}

// run is the messages of one lane that were leased together. The lane goes on when all of them are settled.
type run struct {
	head int64
	slot int
	lane []byte
	next int64 // no message of the lane that is left has an ID below
	// Guarded by consumer.settling:
	left  int       // messages that are not settled
	back  int64     // least ID of a message that went back; 0: none did
	until time.Time // not given out before
}

// floor is what lets a lease begin behind what is over. PostgreSQL and MySQL keep the entries of deleted rows in their indexes as long as any
// transaction that is open might look at them, and a search from the left end would pass all of them each time. So it begins where the last sweep found
// the first row, or a second before that sweep. What is committed later, by a transaction that published long before, lies below: the next sweep finds
// it. Sweeps are as frequent as they are cheap, and not rarer than every two seconds.
type floor struct {
	plain, heads int64
	next         time.Time // of the next sweep
}

const (
	floorBehind = int64(time.Second / time.Microsecond)
	sweepLeast  = 20              // times its own duration lie between a sweep and the next
	sweepMost   = 2 * time.Second // between two
)

// prospect is what a look at the database found.
type prospect struct {
	now          int64
	plain, heads sql.NullInt64 // when the first one is due
	tickets      sql.NullInt64 // ID of the first
}

// look says what there is to lease.
func (c *consumer) look(ctx context.Context) (prospect, error) {
	s := c.queue.store
	began := time.Now()
	sweep := s.dialect == SQLite || !began.Before(c.floor.next)
	from := c.floor
	if sweep {
		from.plain, from.heads = 0, 0
	}
	tickets := "NULL"
	if s.dialect == MySQL {
		tickets = "(SELECT min(id) FROM {tickets by queue} WHERE queue = ?)"
	}
	args := []any{c.queue.name, from.plain, c.queue.name, from.heads}
	if s.dialect == MySQL {
		args = append(args, c.queue.name)
	}
	var p prospect
	err := s.query(ctx, s.db, `SELECT {now}, (SELECT min(due) FROM {messages by due} WHERE queue = ? AND due >= ?),
		(SELECT min(due) FROM {heads by due} WHERE queue = ? AND due >= ?), `+tickets, args,
		func(rows *sql.Rows) error { return rows.Scan(&p.now, &p.plain, &p.heads, &p.tickets) })
	if err == nil && sweep {
		c.floor.plain, c.floor.heads = below(p.plain, p.now), below(p.heads, p.now)
		c.floor.next = time.Now().Add(min(sweepLeast*time.Since(began), sweepMost))
	}
	return p, err
}

// below is the floor after a sweep that found first.
func below(first sql.NullInt64, now int64) int64 {
	if first.Valid {
		return min(first.Int64, now-floorBehind)
	}
	return now - floorBehind
}

// lease takes up to limit messages. If there is none it says how long there surely will be none, as far as it knows.
func (c *consumer) lease(ctx context.Context, limit int) ([]*async.Message, time.Duration, error) {
	p, err := c.look(ctx)
	if err != nil {
		return nil, 0, err
	}
	if p.tickets.Valid {
		if err := c.queue.store.redeem(ctx, c.queue.name); err != nil {
			return nil, 0, err
		}
		p.heads = sql.NullInt64{Int64: p.now, Valid: true}
	}
	plain, keyed := p.plain.Valid && p.plain.Int64 <= p.now, p.heads.Valid && p.heads.Int64 <= p.now
	if !plain && !keyed {
		return nil, c.wait(p), nil
	}
	o := c.current()
	mostKeyed := c.share(limit, plain, keyed)
	var taken []*async.Message
	take := func(ctx context.Context, ex Tx) (err error) {
		taken = nil
		if mostKeyed > 0 {
			if taken, err = c.leaseKeys(ctx, ex, o, mostKeyed); err != nil {
				return err
			}
		}
		if !plain || len(taken) == limit {
			return nil
		}
		mm, err := c.leasePlain(ctx, ex, o, limit-len(taken))
		taken = append(taken, mm...)
		return err
	}
	if s := c.queue.store; s.dialect == PostgreSQL && !keyed {
		err = s.alone(ctx, take)
	} else {
		err = s.write(ctx, take)
	}
	if err != nil {
		return nil, 0, err
	}
	if o.claim.Lost() { // meanwhile it was taken for gone, and what was leased late belongs to nobody
		return nil, 0, nil
	}
	return taken, 0, nil
}

// share is how much of limit is for messages with a lane: half of it if there are others, too, by turns if it is 1.
func (c *consumer) share(limit int, plain, keyed bool) int {
	c.keyedFirst = !c.keyedFirst
	switch {
	case !keyed, plain && limit == 1 && c.keyedFirst:
		return 0
	case plain && limit > 1:
		return limit / 2
	default:
		return limit
	}
}

// wait is how long nothing is due, as far as p knows.
func (c *consumer) wait(p prospect) time.Duration {
	d := c.queue.config.pollMax + c.queue.config.pollMax/2
	for _, next := range []sql.NullInt64{p.plain, p.heads} {
		if next.Valid {
			d = min(d, max(time.Millisecond, time.Duration(next.Int64-p.now)*time.Microsecond))
		}
	}
	return d
}

// redeem makes heads of the tickets that writers left.
func (s *store) redeem(ctx context.Context, queue string) error {
	return s.write(ctx, func(ctx context.Context, ex Tx) error {
		var ids []int64
		var args []any
		seen := make(map[string]bool)
		const first = `SELECT id, lane, next_id FROM {tickets by queue} WHERE queue = ? ORDER BY id LIMIT 500{skip locked}`
		err := s.query(ctx, ex, first, []any{queue}, func(rows *sql.Rows) error {
			var id, next int64
			var lane []byte
			if err := rows.Scan(&id, &lane, &next); err != nil {
				return err
			}
			ids = append(ids, id)
			if !seen[string(lane)] {
				seen[string(lane)] = true
				args = append(args, queue, lane, next)
			}
			return nil
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		_, err = s.exec(ctx, ex, `INSERT IGNORE INTO {heads} (queue, lane, next_id, due) VALUES `+values(len(seen), 3, "{now}"), args...)
		if err != nil {
			return err
		}
		statement, args := s.deletion("tickets", ids)
		_, err = ex.ExecContext(ctx, s.render(statement), args...)
		return err
	})
}

// leased are the columns of a message that is being leased.
const leased = columns + ", id, attempts, deliveries"

// deliver makes a message of a row of leased. If ahead, the row is as it was before the lease.
func (c *consumer) deliver(rows *sql.Rows, o *owner, ahead int) (*async.Message, error) {
	d := &delivery{consumer: c, owner: o}
	var attempts int
	m, err := scanMessage(rows, c.source, &d.id, &attempts, &d.number)
	if err != nil {
		return nil, err
	}
	d.number += ahead
	m.Attempt, m.Deliveries = attempts-1+ahead, d.number
	m.Claim, m.Raw = o.claim, d
	return m, nil
}

func deliveryOf(m *async.Message) *delivery {
	if m == nil {
		return nil
	}
	d, _ := m.Raw.(*delivery)
	return d
}

// byID puts messages in the order of the table, which that of a result need not be.
func byID(mm []*async.Message) {
	slices.SortFunc(mm, func(a, b *async.Message) int { return cmp.Compare(deliveryOf(a).id, deliveryOf(b).id) })
}

// leasePlain takes messages without a lane.
func (c *consumer) leasePlain(ctx context.Context, ex Tx, o *owner, limit int) (mm []*async.Message, err error) {
	s := c.queue.store
	const due = `SELECT id FROM {messages by due} WHERE queue = ? AND due >= ? AND due <= {now} ORDER BY due, id {limit}{skip locked}`
	args := []any{o.id, c.queue.name, c.floor.plain, limit}
	collect := func(ahead int) func(rows *sql.Rows) error {
		return func(rows *sql.Rows) error {
			m, err := c.deliver(rows, o, ahead)
			if err == nil {
				mm = append(mm, m)
			}
			return err
		}
	}
	const set = `SET due = NULL, owner = ?, attempts = m.attempts + 1, deliveries = m.deliveries + 1`
	switch s.dialect {
	case PostgreSQL:
		err = s.query(ctx, ex, `UPDATE {messages} AS m `+set+` FROM (`+due+`) AS due WHERE m.id = due.id RETURNING `+prefixed(leased, "m."), args, collect(0))
	case SQLite:
		err = s.query(ctx, ex, `UPDATE {messages} AS m `+set+` WHERE id IN (`+due+`) RETURNING `+leased, args, collect(0))
	case MySQL:
		err = s.query(ctx, ex, strings.Replace(due, "SELECT id", "SELECT "+leased, 1), args[1:], collect(1))
		if err == nil {
			err = c.mark(ctx, ex, o, mm)
		}
	}
	byID(mm)
	return mm, err
}

// prefixed puts prefix before each of columns.
func prefixed(columns, prefix string) string {
	return prefix + strings.ReplaceAll(columns, ", ", ", "+prefix)
}

// mark writes the lease of mm, where reading and writing are two statements.
func (c *consumer) mark(ctx context.Context, ex Tx, o *owner, mm []*async.Message) error {
	if len(mm) == 0 {
		return nil
	}
	ids := make([]int64, len(mm))
	for i, m := range mm {
		ids[i] = deliveryOf(m).id
	}
	condition, args := c.queue.store.in("id", ids)
	statement := c.queue.store.render(`UPDATE {messages by id} SET due = NULL, owner = ?, attempts = attempts + 1, deliveries = deliveries + 1 WHERE ` + condition)
	_, err := ex.ExecContext(ctx, statement, append([]any{o.id}, args...)...)
	return err
}

// mostHeads is how many keys are leased at a time.
const mostHeads = 64

// leaseKeys takes keys, and a run of the messages of each.
func (c *consumer) leaseKeys(ctx context.Context, ex Tx, o *owner, limit int) ([]*async.Message, error) {
	runs, err := c.leaseHeads(ctx, ex, o, min(limit, mostHeads))
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	mm, err := c.leaseRuns(ctx, ex, o, runs, max(1, min(c.queue.config.perKey, limit/len(runs))))
	if err != nil {
		return nil, err
	}
	byLane := make(map[string]*run, len(runs))
	for _, r := range runs {
		byLane[string(r.lane)] = r
	}
	for _, m := range mm {
		d := deliveryOf(m)
		d.run = byLane[string(laneOf(m.Key))]
		d.run.left++
		d.run.slot = slotOf(c.queue.name, m.Key)
		m.Lane = async.LaneOf(c.source, m.Key)
	}
	empty := slices.DeleteFunc(runs, func(r *run) bool { return r.left > 0 })
	return mm, c.queue.store.finish(ctx, ex, o.id, empty)
}

// leaseHeads takes keys.
func (c *consumer) leaseHeads(ctx context.Context, ex Tx, o *owner, limit int) (runs []*run, err error) {
	s := c.queue.store
	const due = `SELECT id FROM {heads by due} WHERE queue = ? AND due >= ? AND due <= {now} ORDER BY due, id {limit}{skip locked}`
	args := []any{o.id, c.queue.name, c.floor.heads, limit}
	collect := func(rows *sql.Rows) error {
		r := &run{slot: -1}
		err := rows.Scan(&r.head, &r.lane, &r.next)
		runs = append(runs, r)
		return err
	}
	switch s.dialect {
	case PostgreSQL:
		err = s.query(ctx, ex, `UPDATE {heads} AS h SET due = NULL, owner = ? FROM (`+due+`) AS due WHERE h.id = due.id
			RETURNING h.id, h.lane, h.next_id`, args, collect)
	case SQLite:
		err = s.query(ctx, ex, `UPDATE {heads} SET due = NULL, owner = ? WHERE id IN (`+due+`) RETURNING id, lane, next_id`, args, collect)
	case MySQL:
		err = s.query(ctx, ex, strings.Replace(due, "SELECT id", "SELECT id, lane, next_id", 1), args[1:], collect)
		if err != nil || len(runs) == 0 {
			return nil, err
		}
		ids := make([]int64, len(runs))
		for i, r := range runs {
			ids[i] = r.head
		}
		condition, _ := s.in("id", ids)
		_, err = ex.ExecContext(ctx, s.render(`UPDATE {heads by id} SET due = NULL, owner = ? WHERE `+condition), o.id)
	}
	return runs, err
}

// leaseRuns takes the first messages of each lane in runs, so many at most.
func (c *consumer) leaseRuns(ctx context.Context, ex Tx, o *owner, runs []*run, most int) (mm []*async.Message, err error) {
	s := c.queue.store
	collect := func(ahead int) func(rows *sql.Rows) error {
		return func(rows *sql.Rows) error {
			m, err := c.deliver(rows, o, ahead)
			if err == nil {
				mm = append(mm, m)
			}
			return err
		}
	}
	const (
		first = `FROM {messages by lane} WHERE queue = ? AND lane = ? AND id >= ? ORDER BY id {limit}`
		set   = `SET owner = ?, attempts = m.attempts + 1, deliveries = m.deliveries + 1`
	)
	switch s.dialect {
	case PostgreSQL:
		heads := make([]int64, len(runs))
		for i, r := range runs {
			heads[i] = r.head
		}
		err = s.query(ctx, ex, `UPDATE {messages} AS m `+set+` FROM (
				SELECT f.id FROM unnest(CAST(? AS bigint[])) AS l (head) JOIN {heads} AS h ON h.id = l.head CROSS JOIN LATERAL
				(SELECT f.id FROM {messages} AS f WHERE f.queue = ? AND f.lane = h.lane AND f.id >= h.next_id ORDER BY f.id {limit}) AS f
			) AS f WHERE m.id = f.id RETURNING `+prefixed(leased, "m."), []any{o.id, array(heads), c.queue.name, most}, collect(0))
	case SQLite:
		for _, r := range runs {
			err = s.query(ctx, ex, `UPDATE {messages} AS m `+set+` WHERE id IN (SELECT id `+first+`) RETURNING `+leased,
				[]any{o.id, c.queue.name, r.lane, r.next, most}, collect(0))
			if err != nil {
				return nil, err
			}
		}
	case MySQL:
		parts := make([]string, len(runs))
		args := make([]any, 0, 4*len(runs))
		for i, r := range runs {
			parts[i] = `SELECT ` + leased + ` FROM (SELECT ` + leased + ` ` + first + `) AS t` + strconv.Itoa(i)
			args = append(args, c.queue.name, r.lane, r.next, most)
		}
		err = s.query(ctx, ex, strings.Join(parts, " UNION ALL "), args, collect(1))
		if err == nil {
			err = c.mark(ctx, ex, o, mm)
		}
	}
	byID(mm)
	return mm, err
}
