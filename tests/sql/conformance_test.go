package sql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	psql "github.com/beatlabs/patron/async/sql"
	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
)

func traits() async.Traits {
	return async.Traits{
		Ordered: async.OrderedGroup, DeadLetters: true, MaxDelay: 365 * 24 * time.Hour, StopWait: time.Second,
		Redelivers: true, CountsDeliveries: true, MaxPublishDelay: 365 * 24 * time.Hour,
	}
}

func unorderedTraits() async.Traits {
	t := traits()
	t.Ordered = async.OrderedNone
	return t
}

func TestConsumerConformanceOnSQLite(t *testing.T) {
	t.Parallel()
	asynctest.Run(t, traits(), harnessOf(newSQLite))
}

func TestProducerConformanceOnSQLite(t *testing.T) {
	t.Parallel()
	asynctest.RunProducer(t, traits(), harnessOf(newSQLite))
}

func TestDeadLetterConformanceOnSQLite(t *testing.T) {
	t.Parallel()
	asynctest.RunDeadLetters(t, traits(), harnessOf(newSQLite))
}

func TestConsumerConformanceOnSQLiteWithRetention(t *testing.T) {
	t.Parallel()
	asynctest.Run(t, traits(), harnessOf(newSQLite, psql.WithRetention(time.Second)))
}

func TestConsumerConformanceOnSQLiteWithOneMessageAKey(t *testing.T) {
	t.Parallel()
	asynctest.Run(t, traits(), harnessOf(newSQLite, psql.WithPerKey(1)))
}

func TestConsumerConformanceOnSQLiteUnordered(t *testing.T) {
	t.Parallel()
	asynctest.Run(t, unorderedTraits(), harnessOf(newSQLite, psql.Unordered()))
}

func TestConsumerConformanceOnRealPostgreSQL(t *testing.T) {
	t.Parallel()
	asynctest.Run(t, traits(), harnessOf(newPostgres))
}

func TestProducerConformanceOnRealPostgreSQL(t *testing.T) {
	t.Parallel()
	asynctest.RunProducer(t, traits(), harnessOf(newPostgres))
}

func TestDeadLetterConformanceOnRealPostgreSQL(t *testing.T) {
	t.Parallel()
	asynctest.RunDeadLetters(t, traits(), harnessOf(newPostgres))
}

func TestConsumerConformanceOnRealPostgreSQLWithoutLocks(t *testing.T) {
	t.Parallel()
	asynctest.Run(t, unorderedTraits(), harnessOf(newPostgres, psql.WithHeartbeatOnly(), psql.Unordered(), psql.WithRetention(time.Second)))
}

func TestConsumerConformanceOnRealMySQL(t *testing.T) {
	t.Parallel()
	asynctest.Run(t, traits(), harnessOf(newMySQL))
}

func TestProducerConformanceOnRealMySQL(t *testing.T) {
	t.Parallel()
	asynctest.RunProducer(t, traits(), harnessOf(newMySQL))
}

func TestDeadLetterConformanceOnRealMySQL(t *testing.T) {
	t.Parallel()
	asynctest.RunDeadLetters(t, traits(), harnessOf(newMySQL))
}

// harness is a queue of a database of its own.
type harness struct {
	*database
	tb      testing.TB
	made    *psql.Queue
	options []psql.OptionFunc
}

func harnessOf(open maker, oo ...psql.OptionFunc) func(testing.TB) asynctest.Harness {
	return func(tb testing.TB) asynctest.Harness {
		tb.Helper()
		d := open(tb)
		return &harness{database: d, tb: tb, made: d.queue(tb, "orders", oo...), options: oo}
	}
}

func (h *harness) Factory() async.ConsumerFactory { return h.made }
func (h *harness) Producer() async.Producer       { return h.made.Producer() }
func (h *harness) Close()                         { h.drop() }

// Down takes the network away; of SQLite, every statement.
func (h *harness) Down() {
	if h.network != nil {
		h.network.Down()
		return
	}
	h.faults.set(func(string, []driver.NamedValue) error { return net.ErrClosed })
}

func (h *harness) Up() {
	if h.network != nil {
		h.network.Up()
		return
	}
	h.faults.set(nil)
}

// Absent is where nobody listens, or a file in a directory that is not there.
func (h *harness) Absent() async.ConsumerFactory {
	var db *sql.DB
	switch h.dialect {
	case psql.PostgreSQL:
		config, err := pgx.ParseConfig("postgres://nobody@127.0.0.1:1/none?sslmode=disable")
		if err != nil {
			h.tb.Fatal(err)
		}
		db = stdlib.OpenDB(*config)
	case psql.MySQL:
		config := mysql.NewConfig()
		config.Net, config.Addr, config.Logger = "tcp", "127.0.0.1:1", quiet{}
		connector, err := mysql.NewConnector(config)
		if err != nil {
			h.tb.Fatal(err)
		}
		db = sql.OpenDB(connector)
	case psql.SQLite:
		db = sql.OpenDB(&dsnConnector{&sqlite.Driver{}, sqliteDSN(filepath.Join(h.tb.TempDir(), "missing", "queue.db"))})
	}
	h.more = append(h.more, db)
	return queueOf(h.tb, h.database, db, "orders", h.options...)
}

func (h *harness) DeadLetters(ctx context.Context) ([]*async.Message, error) {
	q := queueOf(h.tb, h.database, h.direct, "orders", h.options...)
	var mm []*async.Message
	for l, err := range q.DeadLetters().List(ctx, async.DeadFilter{}) {
		if err != nil {
			return nil, err
		}
		async.MarkDead(l.Message, errors.New(l.Cause), l.Attempts, l.Message.Source, l.Time)
		mm = append(mm, l.Message)
	}
	return mm, nil
}

// BreakDeadLetters takes their table away.
func (h *harness) BreakDeadLetters() {
	h.must(h.tb, "ALTER TABLE @dead RENAME TO @gone")
	none := strings.Replace("SELECT ? FROM @gone WHERE 1 = 0", "?", "*", 1)
	h.must(h.tb, "CREATE VIEW @dead AS "+none+" UNION ALL "+none)
}

func (h *harness) MendDeadLetters() {
	h.must(h.tb, "DROP VIEW @dead")
	h.must(h.tb, "ALTER TABLE @gone RENAME TO @dead")
}

// Lose does what a consumer does that takes all others for gone, and waits until they know.
func (h *harness) Lose() {
	before := h.number(h.tb, "SELECT count(*) FROM @owners")
	ctx := context.Background()
	lose := func() error {
		tx, err := h.direct.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		const hour = 3_600_000_000 // what goes back is older than what has not been given
		now := h.number(h.tb, "SELECT max(seen) FROM @owners") - hour
		for _, statement := range []string{
			"DELETE FROM @owners", "UPDATE @heads SET due = ?, owner = NULL WHERE owner IS NOT NULL",
			"UPDATE @messages SET due = CASE WHEN lane IS NULL THEN ? END, owner = NULL WHERE owner IS NOT NULL",
		} {
			var args []any
			if strings.Contains(statement, "?") {
				args = []any{now}
			}
			if h.dialect == psql.PostgreSQL {
				statement = strings.Replace(statement, "?", "$1::bigint", 1)
			}
			if _, err := tx.Exec(h.text(statement), args...); err != nil {
				return err
			}
		}
		return tx.Commit()
	}
	await(h.tb, "claims are taken away", func() bool { return lose() == nil })
	await(h.tb, "consumers know it", func() bool { return h.number(h.tb, "SELECT count(*) FROM @owners") >= before })
}

// FailSettlements refuses the statements of settlements: one of several as soon as one of these would be refused alone.
func (h *harness) FailSettlements(every int) {
	if every == 0 {
		h.faults.set(nil)
		return
	}
	var mu sync.Mutex
	settled := 0
	h.faults.set(func(query string, args []driver.NamedValue) error {
		deletes := strings.HasPrefix(query, "DELETE") && strings.Contains(query, h.text("@messages")) && !strings.Contains(query, h.text("@heads"))
		if !deletes && !strings.Contains(query, "done = ") {
			return nil
		}
		_, ids, found := strings.Cut(query, "('[")
		if !found {
			_, ids, _ = strings.Cut(query, "id IN (")
		}
		n := 1 + strings.Count(ids[:max(0, strings.IndexAny(ids, "])"))], ",")
		if h.dialect == psql.PostgreSQL {
			n = 1 + strings.Count(args[0].Value.(string), ",")
		}
		mu.Lock()
		defer mu.Unlock()
		fails := settled/every != (settled+n)/every
		if n == 1 || !fails {
			settled += n
		}
		if fails {
			return errInjected
		}
		return nil
	})
}

// FailSend refuses the statement with the message at index i of the next Send, and again when it comes alone.
func (h *harness) FailSend(i int) {
	var mu sync.Mutex
	target := ""
	h.faults.set(func(query string, args []driver.NamedValue) error {
		if !strings.Contains(query, h.text("INSERT INTO @messages")) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		const columns = 9
		refused := false
		switch {
		case target == "" && len(args) > columns*i:
			target = args[columns*i+2].Value.(string)
			refused = true
		case target != "":
			refused = len(args) == columns && args[2].Value == target
		}
		if refused && len(args) == columns {
			h.faults.hook = nil // its lock is held by who asks
		}
		if refused {
			return errInjected
		}
		return nil
	})
}

// await fails the test if cond does not come true.
func await(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(60 * time.Second)
	for !cond() {
		select {
		case <-ticker.C:
		case <-late:
			tb.Fatalf("%s: not within a minute", what)
		}
	}
}
