package sql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	sql.Register("double", &double{})
	goleak.VerifyTestMain(m)
}

// double is a database that remembers what it is told, and answers only what the version of the tables is. Everything else is tested with databases, in the
// module tests.
type double struct {
	version int64 // 0: 1
	answer  func(statement string) error

	mu   sync.Mutex // guards what follows
	told []string
}

func (d *double) open(tb testing.TB) *sql.DB {
	tb.Helper()
	db := sql.OpenDB(doubleConnector{d})
	tb.Cleanup(func() { db.Close() })
	return db
}

func (d *double) statements() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.told...)
}

func (d *double) tell(statement string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, statement)
	if d.answer == nil {
		return nil
	}
	return d.answer(statement)
}

func (d *double) Open(string) (driver.Conn, error) { return &doubleConn{d}, nil }

type doubleConnector struct{ double *double }

func (c doubleConnector) Connect(context.Context) (driver.Conn, error) {
	return &doubleConn{c.double}, nil
}
func (c doubleConnector) Driver() driver.Driver { return c.double }

type doubleConn struct{ double *double }

func (c *doubleConn) Prepare(statement string) (driver.Stmt, error) {
	return &doubleStmt{conn: c, statement: statement}, nil
}
func (c *doubleConn) Close() error              { return nil }
func (c *doubleConn) Begin() (driver.Tx, error) { return c, c.double.tell("BEGIN") }
func (c *doubleConn) Commit() error             { return c.double.tell("COMMIT") }
func (c *doubleConn) Rollback() error           { return c.double.tell("ROLLBACK") }

func (c *doubleConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return c.Begin() }

func (c *doubleConn) ExecContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), c.double.tell(statement)
}

func (c *doubleConn) QueryContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Rows, error) {
	if err := c.double.tell(statement); err != nil {
		return nil, err
	}
	rows := &doubleRows{}
	if strings.Contains(statement, "max(version)") {
		rows.values = append(rows.values, max(c.double.version, 1))
	}
	return rows, nil
}

// doubleStmt is a statement that is told each time it is carried out.
type doubleStmt struct {
	conn      *doubleConn
	statement string
}

func (s *doubleStmt) Close() error  { return nil }
func (s *doubleStmt) NumInput() int { return -1 }

func (s *doubleStmt) Exec([]driver.Value) (driver.Result, error) {
	return s.conn.ExecContext(context.Background(), s.statement, nil)
}

func (s *doubleStmt) Query([]driver.Value) (driver.Rows, error) {
	return s.conn.QueryContext(context.Background(), s.statement, nil)
}

type doubleRows struct{ values []int64 }

func (r *doubleRows) Columns() []string { return []string{"value"} }
func (r *doubleRows) Close() error      { return nil }

func (r *doubleRows) Next(dest []driver.Value) error {
	if len(r.values) == 0 {
		return io.EOF
	}
	dest[0], r.values = r.values[0], r.values[1:]
	return nil
}
