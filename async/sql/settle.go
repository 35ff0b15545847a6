package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
)

// Settle implements async.Consumer: all of ss in one transaction. If the database refuses it, each alone, so that what it refuses holds up nothing else.
//
// Who wants to know of a dead letter (Settlement.Written) is told when it is committed, and the message is taken off in a second transaction: nothing of the
// caller's runs within a transaction of the queue, which with SQLite would lock the caller out. If the process dies between the two the message comes again,
// and its dead letter is written anew.
func (c *consumer) Settle(ctx context.Context, ss []async.Settlement) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ended, cancel)() // a connection that is half open must not hold it
	c.settling.Lock()
	defer c.settling.Unlock()
	work := make([]*async.Settlement, 0, len(ss))
	for i := range ss {
		s := &ss[i]
		s.Err = c.refuse(s)
		if s.Err == nil && s.Verdict == async.Reject && s.Written != nil {
			s.Err = c.bury(ctx, s)
			if s.Err == nil {
				c.settling.Unlock() // it may block
				s.Err = s.Written(ctx)
				c.settling.Lock()
			}
		}
		if s.Err == nil {
			work = append(work, s)
		}
	}
	err := c.settleAll(ctx, work)
	if err != nil {
		return c.queue.errorf("settle", err)
	}
	return nil
}

// refuse says why s cannot be carried out, whatever the database says.
func (c *consumer) refuse(s *async.Settlement) error {
	d := deliveryOf(s.Message)
	switch {
	case d == nil, d.consumer != c, d.settled, d.owner.claim.Lost():
		return async.ErrLost
	case s.Verdict > async.Release:
		return errors.New(s.Verdict.String())
	case s.Verdict == async.Retry && s.Delay > maxDelay:
		return fmt.Errorf("delay %v: want at most %v", s.Delay, maxDelay)
	default:
		return nil
	}
}

// settleAll settles work in one transaction, or each of it alone. The error says that the connection is gone.
func (c *consumer) settleAll(ctx context.Context, work []*async.Settlement) error {
	if len(work) == 0 {
		return nil
	}
	err := c.settleTogether(ctx, work)
	switch {
	case err == nil:
		return nil
	case gone(err), errors.Is(err, async.ErrUnknown), len(work) == 1:
		for _, s := range work {
			s.Err = err
		}
		if gone(err) {
			return err
		}
		return nil
	}
	for i, s := range work {
		s.Err = c.settleTogether(ctx, []*async.Settlement{s})
		if err := s.Err; gone(err) {
			for _, s := range work[i:] {
				s.Err = err
			}
			return err
		}
	}
	return nil
}

// outcome is what a transaction of settlements has done, for when it is committed.
type outcome struct {
	lost map[*delivery]bool
	left map[*run]*run // as it will be
}

// of returns what r will be.
func (o *outcome) of(r *run) *run {
	next := o.left[r]
	if next == nil {
		copied := *r
		next = &copied
		o.left[r] = next
	}
	return next
}

// settleTogether settles work in one transaction, and sets the error of those that are lost.
func (c *consumer) settleTogether(ctx context.Context, work []*async.Settlement) error {
	var done outcome
	more := false
	fn := func(ctx context.Context, ex Tx) error {
		done = outcome{lost: make(map[*delivery]bool), left: make(map[*run]*run)}
		if err := c.carryOut(ctx, ex, work, &done); err != nil {
			return err
		}
		var finished []*run
		for _, r := range done.left {
			if r.left == 0 {
				finished = append(finished, r)
			}
		}
		more = len(finished) > 0
		slices.SortFunc(finished, func(a, b *run) int { return int(a.head - b.head) })
		return c.queue.store.finish(ctx, ex, deliveryOf(work[0].Message).owner.id, finished)
	}
	var err error
	if s := c.queue.store; s.dialect == PostgreSQL && single(work) {
		err = s.alone(ctx, fn)
	} else {
		err = s.write(ctx, fn)
	}
	if err != nil {
		return err
	}
	for _, s := range work {
		d := deliveryOf(s.Message)
		d.settled = true
		more = more || s.Verdict == async.Release || s.Verdict == async.Retry
		if done.lost[d] {
			s.Err = async.ErrLost
		}
	}
	for r, next := range done.left {
		*r = *next
	}
	if more {
		c.queue.Wake()
	}
	return nil
}

// single reports whether work is one statement: acknowledgements of messages without a lane that are in the same delivery.
func single(work []*async.Settlement) bool {
	first := deliveryOf(work[0].Message)
	return !slices.ContainsFunc(work, func(s *async.Settlement) bool {
		d := deliveryOf(s.Message)
		return s.Verdict != async.Ack || d.run != nil || d.number != first.number || d.owner != first.owner
	})
}

// kind is what is the same for messages that one statement settles.
type kind struct {
	verdict  async.Verdict
	owner    int64
	number   int
	attempts int
	delay    time.Duration
	alone    *async.Settlement // a rejection has a cause of its own
}

// carryOut writes the verdicts, and what they mean for their lanes to done.
func (c *consumer) carryOut(ctx context.Context, ex Tx, work []*async.Settlement, done *outcome) error {
	kinds, order := kindsOf(work)
	ours := make(map[int64]bool, len(work))
	for _, k := range order {
		slices.Sort(kinds[k])
		ids, err := c.carryOutKind(ctx, ex, k, kinds[k])
		if err != nil {
			return err
		}
		for _, id := range ids {
			ours[id] = true
		}
	}
	for _, s := range work {
		d := deliveryOf(s.Message)
		if !ours[d.id] {
			done.lost[d] = true
		}
		if d.run != nil {
			done.of(d.run).settle(s, ours[d.id])
		}
	}
	return nil
}

// kindsOf sorts the IDs of work by what is to be done with them, and says in which order.
func kindsOf(work []*async.Settlement) (kinds map[kind][]int64, order []kind) {
	kinds = make(map[kind][]int64)
	for _, s := range work {
		d := deliveryOf(s.Message)
		k := kind{verdict: s.Verdict, owner: d.owner.id, number: d.number}
		switch s.Verdict {
		case async.Retry, async.Release:
			k.attempts = s.Message.Attempt
			if s.Verdict == async.Retry {
				k.delay = max(0, s.Delay)
			}
		case async.Reject:
			if s.Written == nil {
				k.alone = s
			}
		case async.Ack:
		}
		if kinds[k] == nil {
			order = append(order, k)
		}
		kinds[k] = append(kinds[k], d.id)
	}
	return kinds, order
}

// settle says that one of the run's messages is settled, or that it was not ours.
func (r *run) settle(s *async.Settlement, ours bool) {
	r.left--
	if !ours {
		return
	}
	id := deliveryOf(s.Message).id
	switch s.Verdict {
	case async.Retry, async.Release:
		if r.back == 0 || id < r.back {
			r.back = id
		}
		if until := time.Now().Add(s.Delay); s.Verdict == async.Retry && until.After(r.until) {
			r.until = until
		}
	case async.Ack, async.Reject:
		r.next = max(r.next, id+1)
	}
}

// carryOutKind settles messages in the same way, and returns the IDs of those that were ours.
func (c *consumer) carryOutKind(ctx context.Context, ex Tx, k kind, ids []int64) (ours []int64, err error) {
	s := c.queue.store
	const ofOwner = ` AND owner = ? AND deliveries = ?`
	collect := func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ours = append(ours, id)
		return err
	}
	if !s.dialect.returning() || k.alone != nil {
		lock := ""
		if s.dialect != SQLite {
			lock = " FOR UPDATE"
		}
		from, args := s.rows("messages", "id", ids)
		if err := each(ctx, ex, s.render(`SELECT d.id FROM `+from+ofOwner+lock), append(args, k.owner, k.number), collect); err != nil || len(ours) == 0 {
			return nil, err
		}
	}
	if k.alone != nil {
		if err := c.writeLetter(ctx, ex, k.alone); err != nil {
			return nil, err
		}
	}
	condition, args := s.in("id", ids)
	var statement string
	switch {
	case k.verdict == async.Retry || k.verdict == async.Release:
		statement = `UPDATE {messages by id} SET owner = NULL, due = CASE WHEN lane IS NULL THEN {now} + ? END, attempts = ? WHERE ` + condition
		args = append([]any{int64(k.delay / time.Microsecond), k.attempts}, args...)
	case k.verdict == async.Ack && c.queue.config.retention > 0:
		statement = `UPDATE {messages by id} SET owner = NULL, lane = NULL, done = {now} WHERE ` + condition
	default:
		statement, args = s.deletion("messages", ids)
	}
	statement, args = statement+ofOwner, append(args, k.owner, k.number)
	if !s.dialect.returning() || k.alone != nil {
		_, err = ex.ExecContext(ctx, s.render(statement), args...)
		return ours, err
	}
	err = each(ctx, ex, s.render(statement+` RETURNING id`), args, collect)
	return ours, err
}

// finish lets the lanes of runs go on, all of whose messages are settled, and takes the heads of those away that have none left. Writers have the lock of their
// keys until they commit; so while it is ours, what we do not see is not there. A head whose lock is not to be had stays, and the next lease finds it empty.
// With MySQL a writer leaves a ticket instead, from which somebody makes the head anew, after this transaction if it comes in its way.
func (s *store) finish(ctx context.Context, ex Tx, owner int64, runs []*run) error {
	if len(runs) == 0 {
		return nil
	}
	var heads, nexts, delays, wanted, empty []int64
	for _, r := range runs {
		next := r.next
		if r.back != 0 {
			next = min(next, r.back)
		}
		heads, nexts, delays = append(heads, r.head), append(nexts, next), append(delays, max(0, time.Until(r.until).Microseconds()))
		if r.back == 0 {
			empty = append(empty, r.head)
			if r.slot >= 0 {
				wanted = append(wanted, int64(r.slot))
			}
		}
	}
	if len(empty) > 0 {
		var err error
		if empty, err = s.mayEmpty(ctx, ex, runs, wanted); err != nil {
			return err
		}
	}
	if len(empty) > 0 {
		if err := s.removeEmpty(ctx, ex, owner, empty); err != nil {
			return err
		}
	}
	if s.dialect == PostgreSQL {
		_, err := s.exec(ctx, ex, `UPDATE {heads} AS h SET owner = NULL, due = {now} + v.delay, next_id = v.next
			FROM unnest(CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS bigint[])) AS v (id, delay, next) WHERE h.id = v.id AND h.owner = ?`,
			array(heads), array(delays), array(nexts), owner)
		return err
	}
	if s.dialect == SQLite { // a statement that is parsed already costs less than one for all heads that is not
		for i, head := range heads {
			_, err := s.exec(ctx, ex, `UPDATE {heads} SET owner = NULL, due = {now} + ?, next_id = ? WHERE owner = ? AND id = ?`, delays[i], nexts[i], owner, head)
			if err != nil {
				return err
			}
		}
		return nil
	}
	condition, _ := s.in("id", heads)
	_, err := ex.ExecContext(ctx, s.render(`UPDATE {heads by id} SET owner = NULL, due = {now} + `+choose(heads, delays)+`, next_id = `+choose(heads, nexts)+
		` WHERE owner = ? AND `+condition), owner)
	return err
}

// removeEmpty takes heads away whose lanes are empty.
func (s *store) removeEmpty(ctx context.Context, ex Tx, owner int64, heads []int64) error {
	const empty = ` AND h.owner = ? AND NOT EXISTS (SELECT 1 FROM {messages by lane} WHERE queue = h.queue AND lane = h.lane AND id >= h.next_id)`
	condition, args := s.in("h.id", heads)
	args = append(args, owner)
	if s.dialect != MySQL {
		_, err := ex.ExecContext(ctx, s.render(`DELETE FROM {heads} AS h WHERE `+condition+empty), args...)
		return err
	}
	// In a DELETE that subquery would wait for whoever has published and not committed; in a SELECT it reads what is committed.
	heads = nil
	err := each(ctx, ex, s.render(`SELECT h.id FROM {heads} AS h WHERE `+condition+empty), args, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		heads = append(heads, id)
		return err
	})
	if err != nil || len(heads) == 0 {
		return err
	}
	statement, args := s.deletion("heads", heads)
	_, err = ex.ExecContext(ctx, s.render(statement), args...)
	return err
}

// choose is an expression whose value for each id is the one of values at the same place.
func choose(ids, values []int64) string {
	var b strings.Builder
	b.WriteString("CASE id")
	for i, id := range ids {
		b.WriteString(" WHEN " + strconv.FormatInt(id, 10) + " THEN " + strconv.FormatInt(values[i], 10))
	}
	b.WriteString(" END")
	return b.String()
}

// mayEmpty returns the heads of those runs that may be taken away if their lanes are empty.
func (s *store) mayEmpty(ctx context.Context, ex Tx, runs []*run, wanted []int64) (heads []int64, err error) {
	switch s.dialect {
	case PostgreSQL:
		if len(wanted) > 0 {
			if wanted, err = s.lock(ctx, ex, wanted, true); err != nil {
				return nil, err
			}
		}
	case MySQL, SQLite:
	}
	for _, r := range runs {
		if r.back == 0 && (s.dialect != PostgreSQL || slices.Contains(wanted, int64(r.slot))) {
			heads = append(heads, r.head)
		}
	}
	if s.dialect != MySQL || len(heads) == 0 {
		return heads, nil
	}
	from, _ := s.rows("heads", "id", heads)
	// Whoever makes a head of a ticket waits from here on, and we see what he has seen.
	err = each(ctx, ex, s.render(`SELECT d.id FROM `+from+` FOR UPDATE`), nil, func(rows *sql.Rows) error {
		var id int64
		return rows.Scan(&id)
	})
	return heads, err
}
