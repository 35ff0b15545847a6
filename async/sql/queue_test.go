package sql_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	psql "github.com/beatlabs/patron/async/sql"
	"github.com/beatlabs/patron/reliability"
	"github.com/google/go-cmp/cmp"
)

func TestNewSaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	db := (&double{}).open(t)
	for name, tc := range map[string]struct {
		db      *sql.DB
		dialect psql.Dialect
		queue   string
		options []psql.OptionFunc
		want    []string
	}{
		"nothing":   {nil, 0, "", nil, []string{"db is nil", "unknown dialect 0", "queue name is empty"}},
		"long name": {db, psql.SQLite, strings.Repeat("q", 101), nil, []string{"queue name of 101 bytes: want at most 100"}},
		"spaces":    {db, psql.SQLite, "orders ", nil, []string{`queue name "orders "`}},
		"options": {db, psql.MySQL, "orders", []psql.OptionFunc{
			nil, psql.WithPrefix("a;b"), psql.WithPerKey(0), psql.WithRetention(0), psql.WithHeartbeat(0), psql.WithPoll(time.Second, 0), psql.WithWake(nil),
		}, []string{"option 0 is nil", `prefix "a;b"`, "per key 0", "retention 0s", "heartbeat 0s", "poll 1s to 0s", "wake is nil"}},
		"schema of SQLite": {db, psql.SQLite, "orders", []psql.OptionFunc{psql.WithPrefix("shop.q_")}, []string{`prefix "shop.q_"`}},
	} {
		_, err := psql.New(tc.db, tc.dialect, tc.queue, tc.options...)
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", name, err, want)
			}
		}
	}
	if _, err := psql.NewProducer(nil, psql.SQLite, "orders"); err == nil {
		t.Error("a producer without a database: got no error")
	}
	if err := psql.Migrate(t.Context(), nil, psql.SQLite); err == nil || !strings.Contains(err.Error(), "db is nil") {
		t.Errorf("migrate without a database: got %v", err)
	}
	if _, err := psql.Schema(0); err == nil {
		t.Error("the schema of no dialect: got no error")
	}
}

func TestNewLooksAtNothing(t *testing.T) {
	t.Parallel()
	d := &double{}
	q, err := psql.New(d.open(t), psql.PostgreSQL, "orders")
	if err != nil {
		t.Fatal(err)
	}
	q.Producer()
	q.DeadLetters()
	q.Wake()
	if told := d.statements(); len(told) > 0 {
		t.Errorf("got %q", told)
	}
}

func TestTraits(t *testing.T) {
	t.Parallel()
	want := async.Traits{
		Ordered: async.OrderedGroup, DeadLetters: true, MaxDelay: 365 * 24 * time.Hour, StopWait: time.Second,
		Redelivers: true, CountsDeliveries: true, MaxPublishDelay: 365 * 24 * time.Hour,
	}
	for _, unordered := range []bool{false, true} {
		var oo []psql.OptionFunc
		if unordered {
			oo, want.Ordered = []psql.OptionFunc{psql.Unordered()}, async.OrderedNone
		}
		q, err := psql.New((&double{}).open(t), psql.SQLite, "orders", oo...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, q.Traits()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDialectHasAName(t *testing.T) {
	t.Parallel()
	want := []string{"unknown dialect 0", "PostgreSQL", "MySQL", "SQLite", "unknown dialect 4"}
	for i, want := range want {
		if got := psql.Dialect(i).String(); got != want {
			t.Errorf("dialect %d: got %q, want %q", i, got, want)
		}
	}
}

func TestTheSchemaIsThatOfItsDialectAndPrefix(t *testing.T) {
	t.Parallel()
	for dialect, word := range map[psql.Dialect]string{psql.PostgreSQL: "BYTEA", psql.MySQL: "InnoDB", psql.SQLite: "AUTOINCREMENT"} {
		schema, err := psql.Schema(dialect, psql.WithPrefix("shop_"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(schema, word) || !strings.Contains(schema, "shop_messages") || strings.Contains(schema, "patron_") ||
			strings.ContainsAny(schema, "{}") || !strings.HasSuffix(schema, "INSERT INTO shop_schema (version) VALUES (1);\n") {
			t.Errorf("%s: got %s", dialect, schema)
		}
	}
	schema, err := psql.Schema(psql.PostgreSQL, psql.WithPrefix("shop.q_"))
	if err != nil || !strings.Contains(schema, "CREATE INDEX q_messages_due ON shop.q_messages") {
		t.Errorf("in a schema: got %v, %s", err, schema)
	}
}

func TestPublishInATransactionUsesItAndNothingElse(t *testing.T) {
	t.Parallel()
	d := &double{}
	db := d.open(t)
	q, err := psql.New(db, psql.PostgreSQL, "orders")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	m := &async.Message{Key: []byte("17850"), Data: []byte("1")}
	if err := q.Publish(t.Context(), tx, m, &async.Message{}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}

	told := d.statements()
	if m.ID == "" || m.Time.IsZero() {
		t.Errorf("the message has ID %q and time %v, want both", m.ID, m.Time)
	}
	if slices.Contains(told, "COMMIT") || told[0] != "BEGIN" || told[len(told)-1] != "ROLLBACK" {
		t.Errorf("got %q, want one transaction, that of the caller", told)
	}
	lock := slices.IndexFunc(told, func(s string) bool { return strings.Contains(s, "pg_advisory_xact_lock") })
	insert := slices.IndexFunc(told, func(s string) bool { return strings.Contains(s, "INSERT INTO patron_messages") })
	if lock < 0 || insert < lock {
		t.Errorf("got %q, want the lock of the key before the first row", told)
	}
}

func TestUnorderedTakesNoLock(t *testing.T) {
	t.Parallel()
	d := &double{}
	p, err := psql.NewProducer(d.open(t), psql.PostgreSQL, "orders", psql.Unordered())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), &async.Message{Key: []byte("17850")}); err != nil {
		t.Fatal(err)
	}
	if told := strings.Join(d.statements(), "\n"); strings.Contains(told, "lock") || !strings.Contains(told, "COMMIT") {
		t.Errorf("got %s, want a transaction without a lock", told)
	}
}

func TestAPublishWithoutATransactionIsRefused(t *testing.T) {
	t.Parallel()
	db := (&double{}).open(t)
	q, err := psql.New(db, psql.PostgreSQL, "orders")
	if err != nil {
		t.Fatal(err)
	}
	for name, tx := range map[string]psql.Tx{"nil": nil, "nil *sql.Tx": (*sql.Tx)(nil), "*sql.DB": db} {
		if err := q.Publish(t.Context(), tx, &async.Message{}); err == nil || reliability.Classify(err) != reliability.ClassPermanent {
			t.Errorf("%s: got %v, want a permanent error", name, err)
		}
	}
}

func TestTheAnswerToACommitDecidesWhatIsKnown(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err     error
		unknown bool
	}{
		"lost connection":   {errors.New("write: broken pipe"), true},
		"refused by server": {stateError("23505"), false},
		"server goes down":  {stateError("57P01"), true},
	} {
		d := &double{answer: func(statement string) error {
			if statement == "COMMIT" {
				return tc.err
			}
			return nil
		}}
		p, err := psql.NewProducer(d.open(t), psql.PostgreSQL, "orders")
		if err != nil {
			t.Fatal(err)
		}
		err = p.Send(t.Context(), &async.Message{})
		if err == nil || errors.Is(err, async.ErrUnknown) != tc.unknown {
			t.Errorf("%s: got %v, want ErrUnknown: %t", name, err, tc.unknown)
		}
	}
}

// stateError is an error as pgx and lib/pq have it.
type stateError string

func (e stateError) Error() string    { return "SQLSTATE " + string(e) }
func (e stateError) SQLState() string { return string(e) }

func TestConflictsAreRepeatedUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	for name, conflict := range map[string]error{
		"PostgreSQL, deadlock":      stateError("40P01"),
		"PostgreSQL, serialization": stateError("40001"),
		"MySQL, deadlock":           errors.New("Error 1213 (40001): Deadlock found when trying to get lock"),
		"MySQL, lock wait":          errors.New("Error 1205 (HY000): Lock wait timeout exceeded"),
		"SQLite, by its text":       errors.New("database is locked"),
		"SQLite, by its code":       codeError(261),
	} {
		for _, dialect := range []psql.Dialect{psql.PostgreSQL, psql.MySQL, psql.SQLite} {
			left := 3
			d := &double{answer: func(statement string) error {
				if left > 0 && strings.HasPrefix(statement, "INSERT INTO patron_messages") {
					left--
					return conflict
				}
				return nil
			}}
			p, err := psql.NewProducer(d.open(t), dialect, "orders")
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Send(t.Context(), &async.Message{}); err != nil || left > 0 {
				t.Errorf("%s on %s: got %v", name, dialect, err)
			}
			left = 1 << 30
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if err := p.Send(ctx, &async.Message{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s on %s without end: got %v, want the error of the context", name, dialect, err)
			}
			cancel()
		}
	}
}

// codeError is an error as modernc.org/sqlite has it.
type codeError int

func (e codeError) Error() string { return "busy" }
func (e codeError) Code() int     { return int(e) }

func TestTransactCommitsOnceAndReturnsTheErrorOfItsFunction(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for name, tc := range map[string]struct {
		dialect psql.Dialect
		fail    error
		want    []string
		not     string
	}{
		"SQLite":          {dialect: psql.SQLite, want: []string{"BEGIN IMMEDIATE", "UPDATE stock", "COMMIT"}, not: "ROLLBACK"},
		"SQLite, refused": {dialect: psql.SQLite, fail: refused, want: []string{"BEGIN IMMEDIATE", "UPDATE stock", "ROLLBACK"}, not: "COMMIT"},
		"PostgreSQL":      {dialect: psql.PostgreSQL, want: []string{"UPDATE stock"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &double{}
			q, err := psql.New(d.open(t), tc.dialect, "orders")
			if err != nil {
				t.Fatal(err)
			}

			err = q.Transact(t.Context(), func(ctx context.Context, tx psql.Tx) error {
				if _, err := tx.ExecContext(ctx, "UPDATE stock SET left = left - 1"); err != nil {
					return err
				}
				return tc.fail
			})

			if !errors.Is(err, tc.fail) {
				t.Errorf("got %v, want %v", err, tc.fail)
			}
			told := strings.Join(d.statements(), "\n")
			for _, want := range tc.want {
				if strings.Count(told, want) != 1 {
					t.Errorf("the database was told %q, want %q once", told, want)
				}
			}
			if tc.not != "" && strings.Contains(told, tc.not) {
				t.Errorf("the database was told %q, want no %s", told, tc.not)
			}
		})
	}
}

func TestTransactDoesNotRunWhenItsContextHasEnded(t *testing.T) {
	t.Parallel()
	d := &double{}
	q, err := psql.New(d.open(t), psql.SQLite, "orders")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	err = q.Transact(ctx, func(context.Context, psql.Tx) error {
		t.Error("it is run")
		return nil
	})

	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
