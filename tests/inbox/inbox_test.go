package inbox_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/inbox"
	"github.com/beatlabs/patron/async/memory"
	psql "github.com/beatlabs/patron/async/sql"
)

var errBroken = errors.New("broken")

func TestAMessageIsNotedWithItsEffect(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		t.Helper()
		ctx, in, msg := t.Context(), d.inbox(t, "c"), &async.Message{ID: "1"}

		if err := d.effect(ctx, d.db, in, msg, func() error { return errBroken }); !errors.Is(err, errBroken) {
			t.Fatalf("an effect that fails: got %v", err)
		}
		if err := d.effect(ctx, d.db, in, msg, nil); err != nil {
			t.Fatalf("the next attempt: got %v, want nil", err)
		}
		if err := d.effect(ctx, d.db, in, msg, nil); !errors.Is(err, async.ErrDuplicate) || !strings.Contains(err.Error(), `message "1" of consumer "c"`) {
			t.Fatalf("a copy: got %v, want a duplicate", err)
		}
		d.once(t, "1")
		if err := d.effect(ctx, d.db, d.inbox(t, "another"), msg, nil); err != nil {
			t.Errorf("another consumer: got %v, want nil", err)
		}
		if err := d.effect(ctx, d.db, in, &async.Message{}, nil); !errors.Is(err, inbox.ErrNoID) {
			t.Errorf("a message without an ID: got %v, want ErrNoID", err)
		}
	})
}

// An ID that is taken for another one would be a message that is lost.
func TestAnIDIsAnyBytes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	ids := []string{
		"a", "A", "a ", " a", "á", "a\u0301", "ss", "ß", "\x00", "a\x00", "\xff", "\xfe\xff", "'", `"`, `\`, "%", "_", "a\n", "a\r\n",
		long, long + "x", long + "X", strings.Repeat("x", 255), strings.Repeat("x", 254), strings.Repeat("ü", 127),
	}
	each(t, func(t *testing.T, d *database) {
		t.Helper()
		for _, consumer := range []string{"c", "C", "ç", strings.Repeat("c", 200)} {
			in := d.inbox(t, consumer)
			for _, want := range []error{nil, async.ErrDuplicate} {
				for _, id := range ids {
					err := inTx(t.Context(), d.db, func(tx *sql.Tx) error { return in.Once(t.Context(), tx, &async.Message{ID: id}) })
					if !errors.Is(err, want) {
						t.Errorf("Once of %.20q to %.20q: got %v, want %v", id, consumer, err, want)
					}
				}
			}
		}
	})
}

func inTx(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// Many at once, each with a connection of its own, on the same messages, with effects that fail at random.
func TestOfManyAtOnceOneHasTheEffect(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		t.Helper()
		const workers, messages = 8, 25
		var ids []string
		for i := range messages {
			ids = append(ids, strconv.Itoa(i))
		}
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				in, random := d.inbox(t, "c"), rand.New(rand.NewPCG(1, uint64(w)))
				for _, id := range ids {
					for {
						err := d.effect(t.Context(), d.db, in, &async.Message{ID: id}, func() error {
							<-time.After(time.Duration(random.IntN(3)) * time.Millisecond)
							if random.IntN(4) == 0 {
								return errBroken
							}
							return nil
						})
						if err == nil || errors.Is(err, async.ErrDuplicate) {
							break
						}
						if !errors.Is(err, errBroken) {
							t.Logf("worker %d, message %s: %v", w, id, err) // a deadlock, for instance: an engine tries again
						}
					}
				}
			})
		}
		all.Wait()
		d.once(t, ids...)
	})
}

// The second one waits for the first, and then sees what became of it.
func TestACopyWaitsForTheTransactionOfTheFirst(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		t.Helper()
		for _, fails := range []bool{true, false} {
			in, msg := d.inbox(t, "c"), &async.Message{ID: strconv.FormatBool(fails)}
			began, end, second := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			first := make(chan error, 1)
			go func() {
				first <- d.effect(t.Context(), d.db, in, msg, func() error {
					close(began)
					<-end
					if fails {
						return errBroken
					}
					return nil
				})
			}()
			<-began
			go func() { second <- d.effect(t.Context(), d.db, in, msg, nil) }()
			select {
			case err := <-second:
				t.Fatalf("the second one did not wait: %v", err)
			case <-time.After(300 * time.Millisecond):
			}
			close(end)
			if err := <-first; fails == (err == nil) {
				t.Errorf("first: got %v", err)
			}
			if err := <-second; fails && err != nil || !fails && !errors.Is(err, async.ErrDuplicate) {
				t.Errorf("second, when the first fails: %t: got %v", fails, err)
			}
		}
		d.once(t, "true", "false")
	})
}

func TestTheSchemaIsMadeOnceAndChecked(t *testing.T) {
	t.Parallel()
	for name, where := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, d := t.Context(), openDatabase(t, where(t))
			in := d.inbox(t, "c")
			if err := in.CheckSchema(ctx, d.db); !errors.Is(err, inbox.ErrNoSchema) {
				t.Errorf("CheckSchema before: got %v, want ErrNoSchema", err)
			}
			cleaner, err := in.Cleaner(d.db)
			if err != nil {
				t.Fatal(err)
			}
			if err := cleaner.Start(ctx); !errors.Is(err, inbox.ErrNoSchema) {
				t.Errorf("Start of a cleaner without a schema: got %v, want ErrNoSchema", err)
			}
			if err := d.effect(ctx, d.db, in, &async.Message{ID: "1"}, nil); err == nil || errors.Is(err, async.ErrDuplicate) {
				t.Errorf("Once without a schema: got %v, want an error that is no duplicate", err)
			}

			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := in.Migrate(ctx, d.db); err != nil {
						t.Errorf("Migrate: %v", err)
					}
				})
			}
			all.Wait()
			for range 2 {
				if err := errors.Join(in.Migrate(ctx, d.db), in.CheckSchema(ctx, d.db), cleaner.Start(ctx)); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			}
			for statement := range strings.SplitAfterSeq(strings.TrimSpace(in.Schema()), ";\n") { // as another tool would
				if _, err := d.db.ExecContext(ctx, strings.TrimSuffix(strings.TrimSpace(statement), ";")); err != nil {
					t.Errorf("%s: %v", statement, err)
				}
			}
			var versions int
			if err := d.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+d.Table+"_version").Scan(&versions); err != nil || versions != 1 {
				t.Errorf("got %d versions and error %v, want one", versions, err)
			}

			if _, err := d.db.ExecContext(ctx, "INSERT INTO "+d.Table+"_version (version) VALUES (99)"); err != nil {
				t.Fatal(err)
			}
			for what, err := range map[string]error{"CheckSchema": in.CheckSchema(ctx, d.db), "Migrate": in.Migrate(ctx, d.db)} {
				if !errors.Is(err, inbox.ErrNewerSchema) {
					t.Errorf("%s of a newer schema: got %v, want ErrNewerSchema", what, err)
				}
			}
		})
	}
}

func TestTheTableMayBeInANamedSchemaOnRealPostgreSQL(t *testing.T) {
	t.Parallel()
	p := databases()["RealPostgreSQL"](t)
	p.Table = "public." + p.Table
	d := openDatabase(t, p)
	in := d.inbox(t, "c")
	if err := in.Migrate(t.Context(), d.db); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	for _, want := range []error{nil, async.ErrDuplicate} {
		if err := inTx(t.Context(), d.db, func(tx *sql.Tx) error { return in.Once(t.Context(), tx, &async.Message{ID: "1"}) }); !errors.Is(err, want) {
			t.Errorf("Once: got %v, want %v", err, want)
		}
	}
}

func TestCleanForgetsWhatIsTooOldInSteps(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		t.Helper()
		const old, young = 2500, 30
		ctx := t.Context()
		in := d.inbox(t, "c", inbox.WithTTL(time.Hour), inbox.WithDeadLetterRetention(0))
		for consumer, n := range map[string]int{"c": old, "another": 10} {
			fill(t, d, consumer, "old", n, time.Now().Add(-2*time.Hour))
		}
		fill(t, d, "c", "young", young, time.Now().Add(-time.Minute))

		var all sync.WaitGroup
		var mu sync.Mutex
		var sum int64
		for range 3 { // several processes
			all.Go(func() {
				for range 20 { // the database may find that two are in each other's way
					n, err := in.Clean(ctx, d.db)
					mu.Lock()
					sum += n
					mu.Unlock()
					if err == nil {
						return
					}
				}
				t.Error("Clean fails again and again")
			})
		}
		all.Wait()
		if sum != old {
			t.Errorf("Clean: got %d, want %d", sum, old)
		}
		if n, err := in.Clean(ctx, d.db); n != 0 || err != nil {
			t.Errorf("Clean again: got %d and error %v, want 0", n, err)
		}
		if n := d.count(t); n != young+10 {
			t.Errorf("%d are left, want %d", n, young+10)
		}
		for id, want := range map[string]error{"old1": nil, "young1": async.ErrDuplicate} {
			if err := inTx(ctx, d.db, func(tx *sql.Tx) error { return in.Once(ctx, tx, &async.Message{ID: id}) }); !errors.Is(err, want) {
				t.Errorf("Once of %s: got %v, want %v", id, err, want)
			}
		}

		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := in.Clean(ended, d.db); !errors.Is(err, context.Canceled) {
			t.Errorf("Clean with an ended context: got %v", err)
		}
	})
}

// fill notes n messages as done at a time, in one transaction.
func fill(t *testing.T, d *database, consumer, name string, n int, at time.Time) {
	t.Helper()
	insert := "INSERT INTO " + d.Table + " (consumer, id, done_at) VALUES (?, ?, ?)"
	switch d.Dialect {
	case psql.PostgreSQL:
		insert = "INSERT INTO " + d.Table + " (consumer, id, done_at) VALUES ($1, $2, $3)"
	case psql.MySQL:
		insert = "INSERT INTO " + d.Table + " (consumer, id, done_at, seen) VALUES (?, ?, ?, 1)"
	case psql.SQLite:
	}
	err := inTx(t.Context(), d.db, func(tx *sql.Tx) error {
		statement, err := tx.PrepareContext(t.Context(), insert)
		if err != nil {
			return err
		}
		defer statement.Close()
		for i := range n {
			if _, err := statement.ExecContext(t.Context(), consumer, []byte(name+strconv.Itoa(i)), at.UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *database) count(t *testing.T) int {
	t.Helper()
	var n int
	if err := d.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+d.Table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestACleanerCleansAndSaysWhyItCannot(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		t.Helper()
		in := d.inbox(t, "c", inbox.WithTTL(time.Hour), inbox.WithDeadLetterRetention(0), inbox.WithCleanInterval(10*time.Millisecond))
		own, err := d.open() // which can be closed
		if err != nil {
			t.Fatal(err)
		}
		cleaner, err := in.Cleaner(own)
		if err != nil {
			t.Fatal(err)
		}
		if err := cleaner.Start(t.Context()); err != nil {
			t.Fatalf("Start: %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- cleaner.Run(ctx) }()
		fill(t, d, "c", "old", 20, time.Now().Add(-2*time.Hour))
		await(t, "the old ones are forgotten", func() bool { return d.count(t) == 0 })
		if err := cleaner.Check(t.Context()); err != nil {
			t.Errorf("Check: %v", err)
		}
		if err := own.Close(); err != nil {
			t.Fatal(err)
		}
		await(t, "Check says that the database is gone", func() bool { return cleaner.Check(t.Context()) != nil })
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("in vain: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// A source that gives messages again, because their settlements fail, and copies of each: the engine takes the copies off.
func TestTheEngineTakesDuplicatesOff(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		t.Helper()
		const messages = 40
		broker, err := memory.New(memory.WithoutDrain())
		if err != nil {
			t.Fatal(err)
		}
		if err := broker.Inject(memory.Fault{Op: memory.OpSettle, Every: 5, Times: 3, Err: errBroken}); err != nil {
			t.Fatal(err)
		}
		in := d.inbox(t, "c")
		c, err := async.New("orders", broker.Consumer("q"), func(ctx context.Context, msg *async.Message) error {
			return d.effect(ctx, d.db, in, msg, nil)
		}, async.WithDeduplication(in), async.WithConcurrency(4), async.WithTries(100))
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for i := range messages {
			ids = append(ids, strconv.Itoa(i))
			for range 3 {
				m := &async.Message{ID: strconv.Itoa(i), Key: []byte(strconv.Itoa(rand.Int()))}
				if err := broker.Producer("q").Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		await(t, "all are taken off", func() bool { return broker.Len("q") == 0 })
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		d.once(t, ids...)
		if n := len(broker.DeadLetters("q")); n != 0 {
			t.Errorf("got %d dead letters, want 0", n)
		}
	})
}
