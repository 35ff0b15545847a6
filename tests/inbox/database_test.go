package inbox_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/inbox"
	psql "github.com/beatlabs/patron/async/sql"
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// place is where a database is, which a child process is told.
type place struct {
	Dialect psql.Dialect
	Driver  string
	DSN     string
	Table   string
}

// open opens it once more, as another process would.
func (p *place) open() (*sql.DB, error) { return sql.Open(p.Driver, p.DSN) }

// database is a place in which a test has tables of its own: of the inbox, and of effects.
type database struct {
	place

	db *sql.DB
}

func newTable() string { return "t" + strconv.FormatUint(rand.Uint64(), 36) }

// databases are those that there are, by the name of the subtest.
func databases() map[string]func(t *testing.T) *place {
	return map[string]func(t *testing.T) *place{
		"SQLite": func(t *testing.T) *place {
			t.Helper()
			file := filepath.Join(t.TempDir(), "inbox.db")
			return &place{
				Dialect: psql.SQLite, Driver: "sqlite", Table: newTable(),
				DSN: "file:" + file + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(30000)",
			}
		},
		"RealPostgreSQL": func(t *testing.T) *place {
			t.Helper()
			return &place{Dialect: psql.PostgreSQL, Driver: "pgx", DSN: variable(t, "PATRON_TEST_POSTGRES_URL"), Table: newTable()}
		},
		"RealMySQL": func(t *testing.T) *place {
			t.Helper()
			return &place{Dialect: psql.MySQL, Driver: "mysql", DSN: variable(t, "PATRON_TEST_MYSQL_DSN"), Table: newTable()}
		},
		"RealMySQLThatCountsFoundRows": func(t *testing.T) *place {
			t.Helper()
			return &place{Dialect: psql.MySQL, Driver: "mysql", DSN: variable(t, "PATRON_TEST_MYSQL_DSN") + "&clientFoundRows=true", Table: newTable()}
		},
	}
}

func variable(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Skip(name + " is not set: make test starts the brokers")
	}
	return value
}

// each runs a test on every database, with the schema of an inbox and a table of effects.
func each(t *testing.T, run func(t *testing.T, d *database)) {
	t.Helper()
	for name, where := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openDatabase(t, where(t))
			if err := d.inbox(t, "c").Migrate(t.Context(), d.db); err != nil {
				t.Fatalf("Migrate: %v", err)
			}
			if _, err := d.db.ExecContext(t.Context(), "CREATE TABLE "+d.Table+"_effects (id VARCHAR(300) NOT NULL)"); err != nil {
				t.Fatal(err)
			}
			run(t, d)
		})
	}
}

func openDatabase(t *testing.T, p *place) *database {
	t.Helper()
	db, err := p.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		for _, suffix := range []string{"", "_version", "_effects"} {
			if _, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS "+p.Table+suffix); err != nil {
				t.Errorf("drop: %v", err)
			}
		}
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return &database{place: *p, db: db}
}

func (p *place) newInbox(consumer string, oo ...inbox.OptionFunc) (*inbox.Inbox, error) {
	return inbox.New(consumer, p.Dialect, append(oo, inbox.WithTable(p.Table))...)
}

func (d *database) inbox(t *testing.T, consumer string, oo ...inbox.OptionFunc) *inbox.Inbox {
	t.Helper()
	in, err := d.newInbox(consumer, oo...)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return in
}

// effect is what a handler does: it notes the message and has its effect in one transaction, and before ends, calls between.
func (p *place) effect(ctx context.Context, db *sql.DB, in *inbox.Inbox, msg *async.Message, between func() error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := in.Once(ctx, tx, msg); err != nil {
		return err
	}
	placeholder := "?"
	if p.Dialect == psql.PostgreSQL {
		placeholder = "$1"
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO "+p.Table+"_effects (id) VALUES ("+placeholder+")", msg.ID); err != nil {
		return err
	}
	if between != nil {
		if err := between(); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// effects counts them by message.
func (d *database) effects(t *testing.T) map[string]int {
	t.Helper()
	rows, err := d.db.QueryContext(t.Context(), "SELECT id FROM "+d.Table+"_effects")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := make(map[string]int)
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		found[id]++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// once fails the test unless every message had its effect once.
func (d *database) once(t *testing.T, ids ...string) {
	t.Helper()
	found := d.effects(t)
	for _, id := range ids {
		if found[id] != 1 {
			t.Errorf("message %s: got %d effects, want 1", id, found[id])
		}
	}
	if len(found) != len(ids) {
		t.Errorf("got effects of %d messages, want %d", len(found), len(ids))
	}
}
