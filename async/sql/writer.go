package sql

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// writer is a connection on which the transactions of a group follow each other. It keeps the statements that are used on it more than once: to parse one takes
// SQLite as long as to carry it out.
type writer struct {
	conn *sql.Conn
	kept map[string]*sql.Stmt // nil: used once so far
}

var _ Tx = (*writer)(nil)

// mostKept bounds the texts that a writer remembers. Those of this package are some forty; what a caller writes into a transaction may be different each time.
const mostKept = 256

func newWriter(conn *sql.Conn) *writer { return &writer{conn: conn, kept: make(map[string]*sql.Stmt)} }

// ExecContext implements Tx.
func (w *writer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := w.statement(ctx, query) //nolint:sqlclosecheck // it is kept; forget closes it
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return w.conn.ExecContext(ctx, query, args...)
	}
	return stmt.ExecContext(ctx, args...)
}

// QueryContext implements Tx.
func (w *writer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := w.statement(ctx, query) //nolint:sqlclosecheck // it is kept; forget closes it
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return w.conn.QueryContext(ctx, query, args...)
	}
	return stmt.QueryContext(ctx, args...)
}

// statement returns the statement with a text, or nil if it is seen for the first time: one that is never seen again costs no more than without all this.
func (w *writer) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	stmt, seen := w.kept[query]
	if stmt != nil {
		return stmt, nil
	}
	if !seen {
		if len(w.kept) >= mostKept {
			w.forget()
		}
		w.kept[query] = nil
		return nil, nil //nolint:nilnil // see above
	}
	stmt, err := w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	w.kept[query] = stmt
	return stmt, nil
}

// forget closes the statements, before their connection: afterwards they belong to nothing, and to close them may bring the process down.
func (w *writer) forget() {
	alive := w.conn.Raw(func(any) error { return nil }) == nil
	for _, stmt := range w.kept {
		if stmt != nil && alive {
			_ = stmt.Close() // the connection closes what this does not
		}
	}
	clear(w.kept)
}

// release gives the connection back to the pool.
func (w *writer) release() {
	w.forget()
	_ = w.conn.Close() // the pool has it, whatever this says
}

// discard closes the connection, because nobody knows what state it is in.
func (w *writer) discard() {
	w.forget()
	discard(w.conn)
	_ = w.conn.Close() // the pool knows that it is closed
}

// discard takes conn out of the pool.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}
