package sql

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beatlabs/patron/async"
)

// Tx is a transaction: a *sql.Tx, what wraps one, or a *sql.Conn on which one was begun. What its methods do is what those of *sql.Tx do.
type Tx interface {
	// ExecContext carries out a statement.
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	// QueryContext carries out a statement that has rows for an answer.
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// store is the tables of one prefix.
type store struct {
	db      *sql.DB
	dialect Dialect
	prefix  string
	tables  *strings.Replacer
	texts   sync.Map // statement as it is written here → as the database gets it
	checked atomic.Bool
	group   group // of SQLite
}

func newStore(db *sql.DB, d Dialect, prefix string) *store {
	pairs := []string{"{now}", d.now(), "{skip locked}", d.skipLocked(), "{limit}", d.limit()}
	_, bare, qualified := strings.Cut(prefix, ".") // an index is made in the schema of its table, and is not told so
	if !qualified {
		bare = prefix
	}
	for _, table := range []string{"schema", "messages", "heads", "held", "dead", "owners", "tickets", "slots"} {
		pairs = append(pairs, "{"+table+"}", prefix+table, "{"+table+":}", bare+table)
		for _, by := range []string{"id", "due", "lane", "owner", "queue", "message", "msg_id"} {
			pairs = append(pairs, "{"+table+" by "+by+"}", d.by(prefix+table, by))
		}
	}
	s := &store{db: db, dialect: d, prefix: prefix, tables: strings.NewReplacer(pairs...)}
	s.group.store = s
	return s
}

// text returns a statement as the database gets it. It is for those that are written in this package, of which there are few.
func (s *store) text(statement string) string {
	if text, ok := s.texts.Load(statement); ok {
		return text.(string) //nolint:forcetypeassert // there is nothing else in it
	}
	text := s.dialect.bind(s.tables.Replace(statement))
	s.texts.Store(statement, text)
	return text
}

// render is text for a statement that has numbers in it, and so is not kept.
func (s *store) render(statement string) string { return s.dialect.bind(s.tables.Replace(statement)) }

func (s *store) exec(ctx context.Context, ex Tx, statement string, args ...any) (sql.Result, error) {
	return ex.ExecContext(ctx, s.text(statement), args...)
}

// query calls scan for each row.
func (s *store) query(ctx context.Context, ex Tx, statement string, args []any, scan func(*sql.Rows) error) error {
	return each(ctx, ex, s.text(statement), args, scan)
}

// each calls scan for each row of a statement as the database gets it.
func each(ctx context.Context, ex Tx, text string, args []any, scan func(*sql.Rows) error) error {
	rows, err := ex.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// write runs fn in a transaction of its own, again if others were in its way, until ctx ends. So what fn does to anything but the database must bear repeating.
// An error that wraps async.ErrUnknown says that it may have been committed; after any other it was not.
func (s *store) write(ctx context.Context, fn func(ctx context.Context, ex Tx) error) error {
	if s.dialect == SQLite {
		return s.group.do(ctx, fn)
	}
	for n := 1; ; n++ {
		err := s.transact(ctx, fn)
		if err == nil || !again(err) {
			return err
		}
		if !pause(ctx, backoff(n)) {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// alone is write for what is a single statement, and so a transaction already.
func (s *store) alone(ctx context.Context, fn func(ctx context.Context, ex Tx) error) error {
	err := fn(ctx, s.db)
	for n := 1; again(err) && pause(ctx, backoff(n)); n++ {
		err = fn(ctx, s.db)
	}
	return err
}

func (s *store) transact(ctx context.Context, fn func(ctx context.Context, ex Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	if err = fn(ctx, tx); err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = tx.Rollback() // what it returns is of no use: nothing is committed either way
		return err
	}
	if err = tx.Commit(); err != nil && !answered(err) {
		err = fmt.Errorf("commit: %w: %w", async.ErrUnknown, err)
	}
	return err
}

// backoff is how long to wait before the n-th repetition.
func backoff(n int) time.Duration {
	most := min(time.Millisecond<<min(n, 8), 200*time.Millisecond)
	return time.Duration(rand.Int64N(int64(most))) + 1
}

// pause blocks for d, and reports false if ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// rows is what stands behind FROM in a SELECT that locks rows, or a DELETE of them, for the rows of a table whose column, its key, is one of ids: d in that
// statement. MySQL is made to look each of them up, see Dialect.by: even told to go by the index it reads all of it where it is short.
func (s *store) rows(table, column string, ids []int64) (from string, args []any) {
	if s.dialect != MySQL {
		condition, args := s.in("d."+column, ids)
		return "{" + table + "} AS d WHERE " + condition, args
	}
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(id, 10))
	}
	return "JSON_TABLE('[" + b.String() + "]', '$[*]' COLUMNS (wanted BIGINT PATH '$')) AS w STRAIGHT_JOIN " +
		s.dialect.by("{"+table+"} AS d", "id") + " ON d." + column + " = w.wanted WHERE TRUE", nil
}

// deletion begins a DELETE of the rows of a table with ids.
func (s *store) deletion(table string, ids []int64) (statement string, args []any) {
	from, args := s.rows(table, "id", ids)
	if s.dialect == MySQL {
		return "DELETE d FROM " + from, args
	}
	return "DELETE FROM " + from, args
}

// in returns the condition that column is one of ids, with its parameters. With SQLite the text is the same for many lengths, so that it is parsed once. With
// MySQL the numbers stand in the statement: they are our own, and each length would be a statement to prepare anyway.
func (s *store) in(column string, ids []int64) (condition string, args []any) {
	switch s.dialect {
	case PostgreSQL:
		return column + " = ANY(CAST(? AS bigint[]))", []any{array(ids)}
	case SQLite:
		if len(ids) > 0 && len(ids) <= mostPadded {
			return padded(column, ids)
		}
	case MySQL:
	}
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(id, 10))
	}
	return column + " IN (" + b.String() + ")", nil
}

// mostPadded bounds the parameters of one condition, well below the 999 that a SQLite of old allows.
const mostPadded = 512

// padded is a condition with as many parameters as the next power of two. The last number fills it up.
func padded(column string, ids []int64) (condition string, args []any) {
	n := 1 << bits.Len(uint(len(ids)-1))
	args = make([]any, n)
	for i := range args {
		args[i] = ids[min(i, len(ids)-1)]
	}
	return column + " IN (?" + strings.Repeat(",?", n-1) + ")", args
}

// array returns numbers as a parameter of PostgreSQL for CAST(? AS bigint[]), which every driver takes.
func array(numbers []int64) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, n := range numbers {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	b.WriteByte('}')
	return b.String()
}

// lockKey is the advisory lock of PostgreSQL with a name.
func (s *store) lockKey(name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("patron/" + s.prefix + "/" + name)) // never fails
	return int64(h.Sum64())
}

// lockName is the same for GET_LOCK of MySQL, whose names have at most 64 characters.
func (s *store) lockName(name string) string {
	return "patron/" + strconv.FormatUint(uint64(s.lockKey(name)), 36)
}

// slotClass tells the locks of writers from other advisory locks of PostgreSQL.
func (s *store) slotClass() int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte("patron/" + s.prefix + "/slots")) // never fails
	return int32(h.Sum32())
}
