package sql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	psql "github.com/beatlabs/patron/async/sql"
	"github.com/beatlabs/patron/internal/faultnet"
	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
)

// database is one with tables of its own, made for a test and dropped with it.
type database struct {
	dialect psql.Dialect
	prefix  string
	db      *sql.DB // through faults and network
	direct  *sql.DB // beside them
	faults  *faults
	network *faultnet.Network // nil: SQLite has none
	file    string            // of SQLite
	once    sync.Once
	more    []*sql.DB // to close with it
}

// maker makes a database, or skips the test.
type maker func(tb testing.TB) *database

// sqliteDSN is how the documentation says that a file is to be opened.
func sqliteDSN(file string) string {
	return "file:" + file + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)"
}

func newPrefix() string { return "t" + strconv.FormatUint(rand.Uint64(), 36) + "_" }

// newSQLite makes a file.
func newSQLite(tb testing.TB) *database {
	tb.Helper()
	return (&database{dialect: psql.SQLite, prefix: "patron_", file: filepath.Join(tb.TempDir(), "queue.db")}).prepare(tb)
}

func newPostgres(tb testing.TB) *database {
	tb.Helper()
	if os.Getenv("PATRON_TEST_POSTGRES_URL") == "" {
		tb.Skip("PATRON_TEST_POSTGRES_URL is not set: make test starts the brokers")
	}
	return (&database{dialect: psql.PostgreSQL, prefix: newPrefix()}).prepare(tb)
}

func newMySQL(tb testing.TB) *database {
	tb.Helper()
	if os.Getenv("PATRON_TEST_MYSQL_DSN") == "" {
		tb.Skip("PATRON_TEST_MYSQL_DSN is not set: make test starts the brokers")
	}
	return (&database{dialect: psql.MySQL, prefix: newPrefix()}).prepare(tb)
}

// connect opens the database twice: through faults and network, and beside them.
func (d *database) connect() error {
	d.faults = &faults{}
	var through, direct driver.Connector
	switch d.dialect {
	case psql.SQLite:
		if d.file == "" {
			d.file, d.prefix = d.prefix, "patron_" // as a child is told
		}
		direct = &dsnConnector{&sqlite.Driver{}, sqliteDSN(d.file)}
		through = direct
	case psql.PostgreSQL:
		d.network = faultnet.New()
		config, err := pgx.ParseConfig(os.Getenv("PATRON_TEST_POSTGRES_URL"))
		if err != nil {
			return err
		}
		config.ConnectTimeout = 5 * time.Second
		direct = stdlib.GetConnector(*config)
		config = config.Copy()
		config.DialFunc = d.network.DialContext
		through = stdlib.GetConnector(*config)
	case psql.MySQL:
		d.network = faultnet.New()
		config, err := mysql.ParseDSN(os.Getenv("PATRON_TEST_MYSQL_DSN"))
		if err != nil {
			return err
		}
		config.Logger = quiet{}
		if direct, err = mysql.NewConnector(config); err != nil {
			return err
		}
		config = config.Clone()
		config.Net = "fault" + d.prefix
		mysql.RegisterDialContext(config.Net, func(ctx context.Context, addr string) (net.Conn, error) {
			return d.network.DialContext(ctx, "tcp", addr)
		})
		if through, err = mysql.NewConnector(config); err != nil {
			return err
		}
	}
	d.db, d.direct = sql.OpenDB(&faultConnector{through, d.faults}), sql.OpenDB(direct)
	d.db.SetMaxIdleConns(8)
	return nil
}

// quiet is a log of nothing: the client writes of connections that a test breaks.
type quiet struct{}

func (quiet) Print(...any) {}

// prepare makes the tables.
func (d *database) prepare(tb testing.TB) *database {
	tb.Helper()
	if err := d.connect(); err != nil {
		tb.Fatal(err)
	}
	if err := psql.Migrate(context.Background(), d.direct, d.dialect, psql.WithPrefix(d.prefix)); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(d.drop)
	return d
}

func (d *database) drop() { d.once.Do(d.dropOnce) }

func (d *database) dropOnce() {
	d.faults.set(nil)
	for _, db := range d.more {
		db.Close()
	}
	d.db.Close()
	if d.dialect == psql.MySQL {
		mysql.DeregisterDialContext("fault" + d.prefix)
	}
	if d.dialect != psql.SQLite {
		for _, table := range []string{"schema", "messages", "heads", "held", "dead", "owners", "tickets", "slots"} {
			d.direct.Exec("DROP TABLE IF EXISTS " + d.prefix + table)
		}
	}
	d.direct.Close()
}

// queue returns a queue of the database through faults.
func (d *database) queue(tb testing.TB, name string, oo ...psql.OptionFunc) *psql.Queue {
	tb.Helper()
	return queueOf(tb, d, d.db, name, oo...)
}

func queueOf(tb testing.TB, d *database, db *sql.DB, name string, oo ...psql.OptionFunc) *psql.Queue {
	tb.Helper()
	q, err := psql.New(db, d.dialect, name, append([]psql.OptionFunc{psql.WithPrefix(d.prefix)}, oo...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return q
}

// text puts the prefix in place of each @.
func (d *database) text(statement string) string { return strings.ReplaceAll(statement, "@", d.prefix) }

// must carries out a statement beside faults and network.
func (d *database) must(tb testing.TB, statement string) {
	tb.Helper()
	if _, err := d.direct.Exec(d.text(statement)); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// number returns the one number that a query gives.
func (d *database) number(tb testing.TB, query string) int64 {
	tb.Helper()
	var n sql.NullInt64
	if err := d.direct.QueryRow(d.text(query)).Scan(&n); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return n.Int64
}

// makers are the databases that there are.
func makers() map[string]maker {
	return map[string]maker{"SQLite": newSQLite, "RealPostgreSQL": newPostgres, "RealMySQL": newMySQL}
}

// onEach runs a test against each database that there is.
func onEach(t *testing.T, test func(t *testing.T, d *database)) {
	t.Helper()
	onEachNew(t, func(t *testing.T, open maker) {
		t.Helper()
		test(t, open(t))
	})
}

// onEachNew is onEach for a test that needs more than one.
func onEachNew(t *testing.T, test func(t *testing.T, open maker)) {
	t.Helper()
	for name, open := range makers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

var errInjected = errors.New("refused on purpose")
