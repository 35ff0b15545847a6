package sql_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	psql "github.com/beatlabs/patron/async/sql"
	"github.com/beatlabs/patron/reliability"
)

// consumer is one that a test drives by hand.
type consumer struct {
	testing.TB
	async.Consumer
}

func consume(tb testing.TB, q *psql.Queue) *consumer {
	tb.Helper()
	c, err := q.Create(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close(context.Background()) })
	return &consumer{TB: tb, Consumer: c}
}

// take receives n messages.
func (c *consumer) take(n int) []*async.Message {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), time.Minute)
	defer cancel()
	var mm []*async.Message
	for len(mm) < n {
		more, err := c.Receive(ctx, n-len(mm))
		if err != nil {
			c.Fatalf("receive after %d of %d messages: %v", len(mm), n, err)
		}
		mm = append(mm, more...)
	}
	return mm
}

// none fails the test if a message comes within d.
func (c *consumer) none(d time.Duration) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), d)
	defer cancel()
	if mm, err := c.Receive(ctx, 1); err == nil || len(mm) > 0 {
		c.Errorf("received %v, %v, want nothing", bodies(mm), err)
	}
}

func (c *consumer) settle(v async.Verdict, mm ...*async.Message) []error {
	c.Helper()
	ss := make([]async.Settlement, len(mm))
	for i, m := range mm {
		ss[i] = async.Settlement{Message: m, Verdict: v, Cause: errInjected}
	}
	if err := c.Settle(c.Context(), ss); err != nil {
		c.Fatalf("settle: %v", err)
	}
	errs := make([]error, len(ss))
	for i := range ss {
		errs[i] = ss[i].Err
	}
	return errs
}

func (c *consumer) ack(mm ...*async.Message) {
	c.Helper()
	if err := errors.Join(c.settle(async.Ack, mm...)...); err != nil {
		c.Fatalf("ack: %v", err)
	}
}

func bodies(mm []*async.Message) []string {
	texts := make([]string, len(mm))
	for i, m := range mm {
		texts[i] = string(m.Data)
	}
	return texts
}

func message(key, data string) *async.Message {
	return &async.Message{Key: []byte(key), Data: []byte(data)}
}

func send(tb testing.TB, p async.Producer, mm ...*async.Message) {
	tb.Helper()
	if err := p.Send(tb.Context(), mm...); err != nil {
		tb.Fatalf("send: %v", err)
	}
}

// The sequence of a table is not the order of commits: a reader who goes by it skips what is committed late.
func TestManyWritersWithSlowCommitsLoseNothingAndKeepTheOrderOfEachKey(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		writers, each, keys := 64, 12, 8
		if d.dialect == psql.SQLite {
			each = 4 // it has one writer, so that the delays add up
		}
		d.must(t, "CREATE TABLE @published (n BIGINT NOT NULL, owner_key BIGINT NOT NULL PRIMARY KEY)")
		t.Cleanup(func() { d.must(t, "DROP TABLE @published") })
		d.db.SetMaxOpenConns(30)
		q := d.queue(t, "orders")
		beside := queueOf(t, d, d.direct, "orders") // consumers do not wait behind writers for a connection
		consumers := []*consumer{consume(t, beside), consume(t, beside)}

		// Each writer counts up the number of its key in the transaction in which it publishes it, so the numbers are the order of the commits.
		var wg sync.WaitGroup
		for key := range keys {
			d.must(t, fmt.Sprintf("INSERT INTO @published (n, owner_key) VALUES (0, %d)", key))
		}
		publish := func() error {
			key := rand.IntN(keys)
			tx, err := d.db.BeginTx(t.Context(), nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if d.dialect == psql.SQLite {
				if _, err := tx.Exec(d.text("UPDATE @published SET n = n WHERE owner_key = -1")); err != nil { // takes the lock for writing
					return err
				}
			}
			m := message("key"+strconv.Itoa(key), "")
			// The lock comes first, as for a row that is changed: an empty message that is rolled back would not do.
			if err := q.Publish(t.Context(), tx, message("key"+strconv.Itoa(key), "lock")); err != nil {
				return err
			}
			if _, err := tx.Exec(d.text(fmt.Sprintf("UPDATE @published SET n = n + 1 WHERE owner_key = %d", key))); err != nil {
				return err
			}
			var n int64
			if err := tx.QueryRow(d.text(fmt.Sprintf("SELECT n FROM @published WHERE owner_key = %d", key))).Scan(&n); err != nil {
				return err
			}
			m.Data = []byte(strconv.FormatInt(n, 10))
			if err := q.Publish(t.Context(), tx, m); err != nil {
				return err
			}
			time.Sleep(rand.N(10 * time.Millisecond))
			return tx.Commit()
		}
		for range writers {
			wg.Go(func() {
				for range each {
					for {
						err := publish()
						if err == nil {
							break
						}
						if d.dialect == psql.SQLite && strings.Contains(err.Error(), "locked") {
							continue
						}
						t.Errorf("publish: %v", err)
						return
					}
				}
			})
		}

		var mu sync.Mutex
		got := make(map[string][]string)
		total := 0
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		var readers sync.WaitGroup
		for _, c := range consumers {
			readers.Go(func() {
				for {
					mm, err := c.Receive(ctx, 20)
					if err != nil {
						if ctx.Err() == nil {
							t.Errorf("receive: %v", err)
						}
						return
					}
					mu.Lock()
					for _, m := range mm {
						total++
						if string(m.Data) != "lock" {
							got[string(m.Key)] = append(got[string(m.Key)], string(m.Data))
						}
					}
					if total == 2*writers*each {
						cancel()
					}
					mu.Unlock()
					c.ack(mm...)
				}
			})
		}
		wg.Wait()
		readers.Wait()

		if total != 2*writers*each {
			t.Errorf("received %d messages, want %d", total, 2*writers*each)
		}
		for key, numbers := range got {
			for i, n := range numbers {
				if n != strconv.Itoa(i+1) {
					t.Fatalf("key %s: got %v, want the order of the commits", key, numbers)
				}
			}
		}
	})
}

func TestATransactionThatIsRolledBackPublishesNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		q := d.queue(t, "orders")
		c := consume(t, q)
		tx, err := d.db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if err := async.Publish(t.Context(), q.Tx(tx), "17850", 1); err != nil {
			t.Fatal(err)
		}
		if err := q.Publish(t.Context(), tx, message("", "2")); err != nil {
			t.Fatal(err)
		}

		c.none(300 * time.Millisecond)
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		c.none(300 * time.Millisecond)

		tx, err = d.db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if err := async.Publish(t.Context(), q.Tx(tx), "17850", 3); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		q.Wake()
		if got := bodies(c.take(1)); got[0] != "3" {
			t.Errorf("got %v, want what was committed", got)
		}
	})
}

// A writer that is slow to commit must not be in the way of consumers of the same key, whatever the database locks.
func TestAnOpenTransactionHoldsUpNobodyButTheWritersOfItsKey(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		if d.dialect == psql.SQLite {
			t.Skip("a SQLite database has one writer: whoever writes holds up everybody")
		}
		q := d.queue(t, "orders")
		c := consume(t, q)
		p := q.Producer()
		send(t, p, message("a", "1"), message("a", "2"))
		mm := c.take(1)
		tx, err := d.db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if err := q.Publish(t.Context(), tx, message("a", "3")); err != nil {
			t.Fatal(err)
		}

		c.ack(mm...)
		c.ack(c.take(1)...)
		send(t, p, message("b", "4"))
		if got := bodies(c.take(1)); got[0] != "4" {
			t.Errorf("got %v, want the message of the other key", got)
		}
		blocked, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := p.Send(blocked, message("a", "too early")); err == nil {
			t.Errorf("a writer of the same key did not wait")
		}

		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if got := bodies(c.take(1)); got[0] != "3" {
			t.Errorf("got %v, want what was committed at last", got)
		}
	})
}

// MySQL locks what a statement looks at, so one that reads a whole table waits for every row that is not committed. It does where the table is small.
func TestAnOpenTransactionDoesNotHoldUpWhatIsDoneWithOtherMessages(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		if d.dialect == psql.SQLite {
			t.Skip("a SQLite database has one writer: whoever writes holds up everybody")
		}
		for _, options := range [][]psql.OptionFunc{nil, {psql.WithRetention(time.Hour)}} {
			q := d.queue(t, "orders", options...)
			tx, err := d.db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			late := message("late", "open")
			late.Due = time.Now().Add(time.Hour)
			if err := q.Publish(t.Context(), tx, message("open", "open"), message("", "open"), message("open", "open"), late); err != nil {
				t.Fatal(err)
			}
			c := consume(t, q)
			const all = 32
			for i := range all { // each alone, so that their rows and tickets lie before and behind those of the transaction
				send(t, q.Producer(), message([]string{"a", "b", "c", ""}[i%4], strconv.Itoa(i)))
			}
			verdicts := []async.Verdict{async.Retry, async.Release, async.Ack, async.Reject}
			for left, n := all, 0; left > 0; n++ {
				v := verdicts[n%len(verdicts)]
				began := time.Now()
				mm := c.take(1)
				more, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				if rest, err := c.Receive(more, all); err == nil {
					mm = append(mm, rest...)
				}
				cancel()
				if err := errors.Join(c.settle(v, mm...)...); err != nil {
					t.Fatalf("%v of %d messages: %v", v, len(mm), err)
				}
				if v == async.Ack || v == async.Reject {
					left -= len(mm)
				}
				if took := time.Since(began); took > 25*time.Second { // MySQL waits 50 s for a lock
					t.Fatalf("%v of %d messages took %v", v, len(mm), took)
				}
			}
			c.Close(context.Background())
			if err := tx.Rollback(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestTablesThatAreMissingOrOfAnotherVersionAreNamed(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		missing, err := psql.New(d.db, d.dialect, "orders", psql.WithPrefix("nothing_"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = missing.Create(t.Context())
		isSchemaError(t, err, "nothing_schema", "found no version, want 1")
		isSchemaError(t, missing.Producer().Send(t.Context(), message("k", "1")), "nothing_schema", "found no version, want 1")
		tx, err := d.db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		isSchemaError(t, missing.Publish(t.Context(), tx, message("k", "1")), "nothing_schema", "found no version, want 1")
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}

		d.must(t, "UPDATE @schema SET version = 7")
		_, err = d.queue(t, "orders").Create(t.Context())
		isSchemaError(t, err, d.prefix+"schema", "found version 7, want 1")
		if err := psql.Migrate(t.Context(), d.db, d.dialect, psql.WithPrefix(d.prefix)); err == nil || !strings.Contains(err.Error(), "found version 7") {
			t.Errorf("migrate: got %v, want that the tables are newer", err)
		}

		d.must(t, "DELETE FROM @schema")
		_, err = d.queue(t, "orders").Create(t.Context())
		isSchemaError(t, err, d.prefix+"schema", "found version 0, want 1")
	})
}

func isSchemaError(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) || reliability.Classify(err) != reliability.ClassPermanent {
			t.Errorf("got %v, want a permanent error with %q", err, text)
		}
	}
}

func TestMigratingTwiceAndAtTheSameTimeIsSafe(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		d.prefix = newPrefix()
		t.Cleanup(func() {
			for _, table := range []string{"schema", "messages", "heads", "held", "dead", "owners", "tickets", "slots"} {
				d.direct.Exec(d.text("DROP TABLE IF EXISTS @" + table))
			}
		})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := psql.Migrate(t.Context(), d.db, d.dialect, psql.WithPrefix(d.prefix)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		q := d.queue(t, "orders")
		send(t, q.Producer(), message("k", "1"))
		if err := psql.Migrate(t.Context(), d.db, d.dialect, psql.WithPrefix(d.prefix)); err != nil {
			t.Error(err)
		}
		consume(t, q).ack(consume(t, q).take(0)...)
		if got := bodies(consume(t, q).take(1)); got[0] != "1" {
			t.Errorf("got %v", got)
		}
	})
}

// A dump that is restored table by table lacks what is not in rows, and has leases of processes that were never there.
func TestARestoredCopyOfTheTablesGoesOn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		q := d.queue(t, "orders")
		p := q.Producer()
		for i := range 20 {
			send(t, p, message("k"+strconv.Itoa(i%2), strconv.Itoa(i)), message("", "plain "+strconv.Itoa(i)))
		}
		late := message("k0", "late")
		late.Due = time.Now().Add(time.Second)
		send(t, p, late)
		held := consume(t, q).take(10) // leases of somebody who lives, but not in the copy

		copied := &database{dialect: d.dialect, prefix: newPrefix(), db: d.db, direct: d.direct, faults: d.faults}
		if err := psql.Migrate(t.Context(), d.direct, d.dialect, psql.WithPrefix(copied.prefix)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			for _, table := range []string{"schema", "messages", "heads", "held", "dead", "owners", "tickets", "slots"} {
				d.direct.Exec(copied.text("DROP TABLE IF EXISTS @" + table))
			}
		})
		for _, table := range []string{"messages", "held"} { // neither heads nor owners
			d.must(t, "INSERT INTO "+copied.prefix+table+" SELECT * FROM @"+table) //nolint:unqueryvet // the tables are the same
		}
		if err := psql.Migrate(t.Context(), d.direct, d.dialect, psql.WithPrefix(copied.prefix)); err != nil {
			t.Fatal(err)
		}

		again := copied.queue(t, "orders")
		send(t, again.Producer(), message("k0", "20"), message("k1", "21"))
		c := consume(t, again)
		got := make(map[string][]string)
		for range 43 {
			for _, m := range c.take(1) {
				got[string(m.Key)] = append(got[string(m.Key)], string(m.Data))
				c.ack(m)
			}
		}
		if len(held) != 10 || len(got[""]) != 20 {
			t.Errorf("got %d messages without a key, want 20", len(got[""]))
		}
		got["k0"] = slices.DeleteFunc(got["k0"], func(s string) bool { return s == "late" })
		for k := range 2 {
			for i, n := range got["k"+strconv.Itoa(k)] {
				if n != strconv.Itoa(2*i+k) {
					t.Errorf("key k%d: got %v", k, got["k"+strconv.Itoa(k)])
					break
				}
			}
			if n := len(got["k"+strconv.Itoa(k)]); n != 11 {
				t.Errorf("key k%d: got %d messages, want 11", k, n)
			}
		}
	})
}

func TestAcknowledgedMessagesAreKeptForTheRetentionAndThenRemoved(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		q := d.queue(t, "orders", psql.WithRetention(2*time.Second), psql.WithHeartbeat(200*time.Millisecond))
		c := consume(t, q)
		send(t, q.Producer(), message("k", "1"), message("", "2"))
		c.ack(c.take(2)...)

		if n := d.number(t, "SELECT count(*) FROM @messages WHERE done IS NOT NULL"); n != 2 {
			t.Errorf("%d rows are done, want 2", n)
		}
		await(t, "they are removed", func() bool { return d.number(t, "SELECT count(*) FROM @messages") == 0 })
	})
}

func TestAnOwnerThatOthersTookForGoneLosesItsClaimAndCannotSettle(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		q := d.queue(t, "orders", psql.WithHeartbeat(100*time.Millisecond))
		c := consume(t, q)
		send(t, q.Producer(), message("k", "1"), message("", "2"))
		mm := c.take(2)
		d.must(t, "UPDATE @messages SET owner = 5 WHERE owner IS NOT NULL") // as if they were leased by another one
		for i, err := range c.settle(async.Ack, mm...) {
			if !errors.Is(err, async.ErrLost) {
				t.Errorf("settle message %d of another owner: got %v, want ErrLost", i, err)
			}
		}

		d.must(t, "DELETE FROM @owners")
		await(t, "the claim is lost", mm[0].Claim.Lost)
		got := bodies(c.take(2)) // of nobody that is known, so they are free
		slices.Sort(got)
		if !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("got %v, want both messages again", got)
		}
	})
}

// While the database is away a consumer cannot give back what it holds, and nobody may have to wait for it to be taken for gone.
func TestTheNextConsumerGivesBackWhatAnEarlierOneCouldNot(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		q := d.queue(t, "orders", psql.WithHeartbeat(time.Hour))
		first, err := q.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		send(t, q.Producer(), message("k", "1"))
		if _, err := first.Receive(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		d.faults.set(func(string, []driver.NamedValue) error { return driver.ErrBadConn })
		if err := first.Close(t.Context()); err == nil {
			t.Fatal("close without a database: got no error")
		}
		d.faults.set(nil)

		m := consume(t, q).take(1)[0]

		if string(m.Data) != "1" || m.Attempt != 0 || m.Deliveries != 2 {
			t.Errorf("got %q with attempt %d and delivery %d, want 1, 0 and 2", m.Data, m.Attempt, m.Deliveries)
		}
	})
}

func TestADeadlockIsRetried(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		q := d.queue(t, "orders")
		c := consume(t, q)
		text := map[psql.Dialect]error{
			psql.PostgreSQL: stateError("40P01"), psql.MySQL: errors.New("Error 1213 (40001): Deadlock found"),
			psql.SQLite: errors.New("database is locked (5) (SQLITE_BUSY)"),
		}[d.dialect]
		var mu sync.Mutex
		struck := make(map[string]int)
		d.faults.set(func(query string, _ []driver.NamedValue) error {
			mu.Lock()
			defer mu.Unlock()
			kind, _, _ := strings.Cut(query, " ")
			if struck[kind]++; strings.Contains(query, d.prefix) && struck[kind] <= 2 && kind != "SELECT" {
				return text
			}
			return nil
		})
		send(t, q.Producer(), message("k", "1"), message("", "2"))
		c.ack(c.take(2)...)
		d.faults.set(nil)
		if n := d.number(t, "SELECT count(*) FROM @messages"); n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
}

// stateError is an error as pgx and lib/pq have it.
type stateError string

func (e stateError) Error() string    { return "ERROR: deadlock detected (SQLSTATE " + string(e) + ")" }
func (e stateError) SQLState() string { return string(e) }

func TestACommitWithoutAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		if d.dialect == psql.SQLite {
			t.Skip("a SQLite database answers in this process")
		}
		p := d.queue(t, "orders").Producer()
		d.faults.set(func(query string, _ []driver.NamedValue) error {
			if query == "COMMIT" {
				return driver.ErrBadConn
			}
			return nil
		})
		if err := p.Send(t.Context(), message("k", "1")); !errors.Is(err, async.ErrUnknown) {
			t.Errorf("got %v, want ErrUnknown", err)
		}
		d.faults.set(nil)
	})
}

func TestWhatTheDatabaseRefusesIsNamedAndTheRestIsThere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		switch d.dialect {
		case psql.MySQL, psql.PostgreSQL:
			d.must(t, "ALTER TABLE @messages ADD CONSTRAINT @c CHECK (msg_id <> 'bad')")
		case psql.SQLite:
			d.must(t, "CREATE TRIGGER @bad BEFORE INSERT ON @messages WHEN new.msg_id = 'bad' BEGIN SELECT RAISE(ABORT, 'constraint'); END")
		}
		q := d.queue(t, "orders")
		bad, long := message("k", "3"), message("k", "4")
		bad.ID, long.ID = "bad", strings.Repeat("x", 300)
		err := q.Producer().Send(t.Context(), message("k", "1"), bad, message("", "2"), long)

		batch, ok := errors.AsType[*async.BatchError](err)
		if !ok || len(batch.Errors) != 2 || batch.Errors[1] == nil || batch.Errors[3] == nil {
			t.Fatalf("got %v, want an error of messages 1 and 3", err)
		}
		c := consume(t, q)
		got := bodies(c.take(2))
		slices.Sort(got)
		if !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestSQLiteThatIsLockedIsWaitedFor(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	q := d.queue(t, "orders")
	c := consume(t, q)
	send(t, q.Producer(), message("k", "1"))
	conn, err := d.direct.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}

	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := q.Producer().Send(short, message("k", "2")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("send to a database that is locked: got %v, want the error of its context", err)
	}
	sent := make(chan error, 1)
	go func() { sent <- q.Producer().Send(t.Context(), message("k", "3")) }()
	select {
	case err := <-sent:
		t.Errorf("send to a database that is locked: got %v, want it to wait", err)
	case <-time.After(6 * time.Second): // longer than the busy timeout
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	conn.Close()

	if err := <-sent; err != nil {
		t.Errorf("send after the lock: %v", err)
	}
	if got := bodies(c.take(2)); !slices.Equal(got, []string{"1", "3"}) {
		t.Errorf("got %v, want 1 and 3", got)
	}
}

func TestSQLiteThatIsFullSaysSoAndGoesOnWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	q := d.queue(t, "orders")
	d.db.SetMaxOpenConns(1) // max_page_count is one of a connection
	var pages int64
	if err := d.db.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int64) {
		if _, err := d.db.Exec("PRAGMA max_page_count = " + strconv.FormatInt(n, 10)); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages + 20)
	c := consume(t, q)
	p := q.Producer()
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		err = p.Send(t.Context(), message("k", strings.Repeat("x", 10_000)))
	}
	if err == nil || !strings.Contains(err.Error(), "full") || errors.Is(err, async.ErrUnknown) {
		t.Fatalf("send number %d: got %v, want that the database is full", n, err)
	}

	limit(pages + 10_000)
	send(t, p, message("k", "last"))
	c.ack(c.take(n)...) // n-1 were confirmed, and the last one
	c.none(200 * time.Millisecond)
}

// So does a connection that is lost, or a context that ends, in the middle of a result.
func TestARowThatCannotBeReadIsAnErrorAndLeasesNothing(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "k"} {
		d := newSQLite(t)
		q := d.queue(t, "orders")
		send(t, q.Producer(), message(key, "1"), message(key, "2"))
		d.must(t, "UPDATE @messages SET published = 'noon' WHERE id = 2")
		c := consume(t, q)
		if mm, err := c.Receive(t.Context(), 10); err == nil {
			t.Errorf("got %v, want an error", bodies(mm))
		}
		if n := d.number(t, "SELECT count(*) FROM @messages WHERE owner IS NOT NULL OR attempts > 0"); n != 0 {
			t.Errorf("%d messages are leased, want none", n)
		}

		d.must(t, "UPDATE @messages SET published = 0 WHERE id = 2")
		if got := bodies(c.take(2)); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("got %v, want 1 and 2", got)
		}
	}
}

func TestConcurrentSendsToSQLiteShareCommits(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	var mu sync.Mutex
	commits := 0
	d.faults.set(func(query string, _ []driver.NamedValue) error {
		mu.Lock()
		defer mu.Unlock()
		if query == "COMMIT" {
			commits++
		}
		return nil
	})
	p := d.queue(t, "orders").Producer()
	const senders, each = 32, 20
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for range each {
				send(t, p, message("k"+strconv.Itoa(i), "1"))
			}
		})
	}
	wg.Wait()
	if commits > senders*each/4 {
		t.Errorf("%d messages took %d commits, want them shared", senders*each, commits)
	}
}

func TestTheClockOfAProcessDoesNotMatterForLeases(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	q := d.queue(t, "orders")
	c := consume(t, q)
	m := message("k", "1")
	m.Time = time.Now().Add(-1000 * time.Hour) // of a publisher whose clock is wrong
	send(t, q.Producer(), m)
	first := c.take(1)
	other := consume(t, d.queue(t, "orders"))
	other.none(time.Second)
	c.ack(first...)
}

func TestAPoolOfOneConnectionIsRefusedWhereAConsumerKeepsOne(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		d.db.SetMaxOpenConns(1)
		c, err := d.queue(t, "orders").Create(t.Context())
		if d.dialect == psql.SQLite {
			if err != nil {
				t.Fatal(err)
			}
			c.Close(context.Background())
			return
		}
		isSchemaError(t, err, "want 2 or more")
	})
}

func TestWakeEndsTheWaitOfAConsumer(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		called := make(chan struct{})
		wake := func(ctx context.Context) error {
			select {
			case <-called:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		c := consume(t, d.queue(t, "orders", psql.WithPoll(time.Hour, time.Hour), psql.WithWake(wake)))
		c.none(100 * time.Millisecond)
		got := make(chan []string, 1)
		go func() { got <- bodies(c.take(1)) }()
		send(t, d.queue(t, "orders").Producer(), message("", "1")) // of another Queue, which does not know of the consumer

		called <- struct{}{}

		select {
		case <-got:
		case <-time.After(30 * time.Second):
			t.Error("nothing was received")
		}
	})
}

// What is written beside a message is there with it, or neither is; and many that come at the same time do not touch each other.
func TestTransactOnSQLiteIsAllOrNothingForEach(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	if _, err := d.db.ExecContext(t.Context(), "CREATE TABLE stock (n INTEGER PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	q := d.queue(t, "orders")
	refused := errors.New("refused")
	const many = 64
	var wg sync.WaitGroup
	for n := range many {
		wg.Go(func() {
			err := q.Transact(t.Context(), func(ctx context.Context, tx psql.Tx) error {
				if _, err := tx.ExecContext(ctx, "INSERT INTO stock (n) VALUES (?)", n); err != nil {
					return err
				}
				if err := q.Publish(ctx, tx, message("k", strconv.Itoa(n))); err != nil {
					return err
				}
				if n%2 == 1 {
					return refused
				}
				return nil
			})
			if want := n%2 == 1; errors.Is(err, refused) != want || !want && err != nil {
				t.Errorf("transaction %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	var rows, odd, messages int
	const query = "SELECT count(*), sum(n % 2), (SELECT count(*) FROM patron_messages) FROM stock"
	if err := d.db.QueryRowContext(t.Context(), query).Scan(&rows, &odd, &messages); err != nil {
		t.Fatal(err)
	}
	if rows != many/2 || odd != 0 || messages != many/2 {
		t.Errorf("got %d rows, %d of those that were refused, and %d messages, want %d, 0 and %d", rows, odd, messages, many/2, many/2)
	}
}
