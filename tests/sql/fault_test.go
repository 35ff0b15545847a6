package sql_test

import (
	"context"
	"database/sql/driver"
	"sync"
)

// faults decides which statements fail, on all connections of a database that was opened through it.
type faults struct {
	mu   sync.Mutex
	hook func(query string, args []driver.NamedValue) error // before a statement; nil: all is well
}

func (f *faults) set(hook func(query string, args []driver.NamedValue) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

func (f *faults) strike(query string, args []driver.NamedValue) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hook == nil {
		return nil
	}
	return f.hook(query, args)
}

// faultConnector makes connections whose statements go through faults.
type faultConnector struct {
	driver.Connector
	faults *faults
}

func (c *faultConnector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.faults.strike("CONNECT", nil); err != nil {
		return nil, err
	}
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultConn{Conn: conn, faults: c.faults}, nil
}

// dsnConnector is a driver with one data source.
type dsnConnector struct {
	driver driver.Driver
	dsn    string
}

func (c *dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c *dsnConnector) Driver() driver.Driver                        { return c.driver }

// faultConn passes everything on that database/sql may ask of a connection.
type faultConn struct {
	driver.Conn
	faults *faults
	asked  bool // for a fault of a statement that the driver wants prepared
}

var (
	_ driver.ExecerContext     = (*faultConn)(nil)
	_ driver.QueryerContext    = (*faultConn)(nil)
	_ driver.ConnBeginTx       = (*faultConn)(nil)
	_ driver.NamedValueChecker = (*faultConn)(nil)
	_ driver.SessionResetter   = (*faultConn)(nil)
	_ driver.Validator         = (*faultConn)(nil)
)

func (c *faultConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.faults.strike(query, args); err != nil {
		return nil, err
	}
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	c.asked = err == driver.ErrSkip //nolint:errorlint // as database/sql compares it
	return result, err
}

func (c *faultConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.faults.strike(query, args); err != nil {
		return nil, err
	}
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	c.asked = err == driver.ErrSkip //nolint:errorlint // as database/sql compares it
	return rows, err
}

func (c *faultConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &faultStmt{Stmt: stmt, conn: c, query: query}, nil
}

// faultStmt is a statement that is carried out more than once.
type faultStmt struct {
	driver.Stmt
	conn  *faultConn
	query string
}

var (
	_ driver.StmtExecContext  = (*faultStmt)(nil)
	_ driver.StmtQueryContext = (*faultStmt)(nil)
)

// strike asks for a fault, unless the connection did for the same statement: the driver of MySQL refuses to carry out one with parameters that is not prepared.
func (s *faultStmt) strike(args []driver.NamedValue) error {
	if s.conn.asked {
		s.conn.asked = false
		return nil
	}
	return s.conn.faults.strike(s.query, args)
}

func (s *faultStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.strike(args); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *faultStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.strike(args); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

func (s *faultStmt) CheckNamedValue(value *driver.NamedValue) error {
	return s.conn.CheckNamedValue(value)
}

func (c *faultConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.faults.strike("BEGIN", nil); err != nil {
		return nil, err
	}
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &faultTx{Tx: tx, faults: c.faults}, nil
}

func (c *faultConn) CheckNamedValue(value *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(value)
	}
	return driver.ErrSkip
}

func (c *faultConn) ResetSession(ctx context.Context) error {
	if resetter, ok := c.Conn.(driver.SessionResetter); ok {
		return resetter.ResetSession(ctx)
	}
	return nil
}

func (c *faultConn) IsValid() bool {
	if validator, ok := c.Conn.(driver.Validator); ok {
		return validator.IsValid()
	}
	return true
}

// faultTx ends a transaction.
type faultTx struct {
	driver.Tx
	faults *faults
}

func (t *faultTx) Commit() error {
	if err := t.faults.strike("COMMIT", nil); err != nil {
		return err
	}
	return t.Tx.Commit()
}
