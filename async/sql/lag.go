package sql

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"github.com/beatlabs/patron/async"
)

// mostCounted bounds each count of a lag, so that asking never costs more than reading so many entries of an index.
const mostCounted = 100_000

// Lag implements async.Lagger. What is more than 100 000 messages counts as so many; the age is that of what has been due for longest, counted anew for a key
// whenever a run of it was given out.
func (c *consumer) Lag(ctx context.Context) ([]async.Lag, error) {
	s := c.queue.store
	count := func(from string) string {
		return `(SELECT count(*) FROM (SELECT 1 FROM ` + from + ` LIMIT ` + strconv.Itoa(mostCounted) + `) AS counted)`
	}
	statement := `SELECT {now}, ` +
		count(`{messages} WHERE queue = ? AND due IS NOT NULL`) + `, ` +
		count(`{messages} WHERE queue = ? AND lane IS NOT NULL`) + `, ` +
		count(`{messages} WHERE owner IS NOT NULL AND lane IS NULL AND queue = ?`) + `, ` +
		count(`{messages} WHERE queue = ? AND due <= {now}`) + `, ` +
		count(`{heads} WHERE queue = ? AND due <= {now}`) + `, ` +
		count(`{held} WHERE queue = ? AND due > {now}`) + `, ` +
		count(`{held} WHERE queue = ? AND due <= {now}`) + `,
		(SELECT min(due) FROM {messages} WHERE queue = ? AND due <= {now}),
		(SELECT min(due) FROM {heads} WHERE queue = ? AND due <= {now})`
	args := make([]any, 9)
	for i := range args {
		args[i] = c.queue.name
	}
	var now, plain, laned, leased, ready, keys, notDue, nowDue int64
	var oldest, oldestKey sql.NullInt64
	err := s.query(ctx, s.db, statement, args, func(rows *sql.Rows) error {
		return rows.Scan(&now, &plain, &laned, &leased, &ready, &keys, &notDue, &nowDue, &oldest, &oldestKey)
	})
	if err != nil {
		return nil, c.queue.errorf("lag of", err)
	}
	lag := async.Lag{Source: c.source, Messages: plain + laned + leased + nowDue, NotDue: notDue}
	lag.Ready = min(ready+min(keys, laned), lag.Messages)
	for _, due := range []sql.NullInt64{oldest, oldestKey} {
		if due.Valid && lag.Messages > 0 {
			lag.Oldest = max(lag.Oldest, time.Duration(now-due.Int64)*time.Microsecond)
		}
	}
	return []async.Lag{lag}, nil
}
