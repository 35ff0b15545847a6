package sql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
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
	open    func() *sql.DB    // opens it once more, as another process would
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
	return openSQLite(tb, filepath.Join(tb.TempDir(), "queue.db"))
}

func openSQLite(tb testing.TB, file string) *database {
	tb.Helper()
	d := &database{dialect: psql.SQLite, prefix: "patron_", faults: &faults{}}
	d.open = func() *sql.DB { return sql.OpenDB(&dsnConnector{&sqlite.Driver{}, sqliteDSN(file)}) }
	d.db = sql.OpenDB(&faultConnector{&dsnConnector{&sqlite.Driver{}, sqliteDSN(file)}, d.faults})
	return d.prepare(tb)
}

func newPostgres(tb testing.TB) *database {
	tb.Helper()
	url := os.Getenv("PATRON_TEST_POSTGRES_URL")
	if url == "" {
		tb.Skip("PATRON_TEST_POSTGRES_URL is not set: make test starts the brokers")
	}
	d := &database{dialect: psql.PostgreSQL, prefix: newPrefix(), faults: &faults{}, network: faultnet.New()}
	connector := func(dial func(ctx context.Context, network, addr string) (net.Conn, error)) driver.Connector {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			tb.Fatal(err)
		}
		if dial != nil {
			config.DialFunc = dial
		}
		config.ConnectTimeout = 5 * time.Second
		return stdlib.GetConnector(*config)
	}
	d.open = func() *sql.DB { return sql.OpenDB(connector(nil)) }
	d.db = sql.OpenDB(&faultConnector{connector(d.network.DialContext), d.faults})
	return d.prepare(tb)
}

func newMySQL(tb testing.TB) *database {
	tb.Helper()
	dsn := os.Getenv("PATRON_TEST_MYSQL_DSN")
	if dsn == "" {
		tb.Skip("PATRON_TEST_MYSQL_DSN is not set: make test starts the brokers")
	}
	d := &database{dialect: psql.MySQL, prefix: newPrefix(), faults: &faults{}, network: faultnet.New()}
	connector := func(network string) driver.Connector {
		config, err := mysql.ParseDSN(dsn)
		if err != nil {
			tb.Fatal(err)
		}
		if network != "" {
			config.Net = network
		}
		config.Logger = quiet{}
		c, err := mysql.NewConnector(config)
		if err != nil {
			tb.Fatal(err)
		}
		return c
	}
	d.open = func() *sql.DB { return sql.OpenDB(connector("")) }
	through := "fault" + d.prefix
	mysql.RegisterDialContext(through, func(ctx context.Context, addr string) (net.Conn, error) { return d.network.DialContext(ctx, "tcp", addr) })
	tb.Cleanup(func() { mysql.DeregisterDialContext(through) })
	d.db = sql.OpenDB(&faultConnector{connector(through), d.faults})
	return d.prepare(tb)
}

// quiet is a log of nothing: the client writes of connections that a test breaks.
type quiet struct{}

func (quiet) Print(...any) {}

// prepare makes the tables.
func (d *database) prepare(tb testing.TB) *database {
	tb.Helper()
	d.direct = d.open()
	d.db.SetMaxIdleConns(8)
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

// onEach runs a test against each database that there is.
func onEach(t *testing.T, test func(t *testing.T, d *database)) {
	t.Helper()
	for name, make := range map[string]maker{"SQLite": newSQLite, "RealPostgreSQL": newPostgres, "RealMySQL": newMySQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, make(t))
		})
	}
}

var errInjected = fmt.Errorf("refused on purpose")
