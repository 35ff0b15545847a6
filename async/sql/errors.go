package sql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
)

// What kind of error a driver returned is found without knowing the driver: by the methods that some errors have (SQLState of pgx and lib/pq, Code of
// modernc.org/sqlite), and by the texts that the others write ("Error 1213 (40001): …" of go-sql-driver/mysql, "database is locked" of mattn/go-sqlite3).

// mysqlError is how go-sql-driver/mysql and MariaDB's tools write an error.
var mysqlError = regexp.MustCompile(`\bError (\d{4})(?: \(([0-9A-Z]{5})\))?`)

// state returns the SQLSTATE of err, or "".
func state(err error) string {
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return e.SQLState()
	}
	if m := mysqlError.FindStringSubmatch(err.Error()); m != nil {
		return m[2]
	}
	return ""
}

// number returns the error number of MySQL as text, or "".
func number(err error) string {
	if m := mysqlError.FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	return ""
}

// code returns the primary result code of SQLite, or 0.
func code(err error) int {
	e, ok := errors.AsType[interface {
		error
		Code() int
	}](err)
	if !ok {
		return 0
	}
	return e.Code() & 0xff
}

// again reports whether the transaction was undone because of what others did at the same time, and will work when it is repeated.
func again(err error) bool {
	if err == nil {
		return false
	}
	switch state(err) {
	case "40001", "40P01", "55P03":
		return true
	}
	switch number(err) {
	case "1205", "1213", "1020", "3572":
		return true
	}
	const busy, locked = 5, 6
	if c := code(err); c != 0 {
		return c == busy || c == locked
	}
	text := err.Error()
	return strings.Contains(text, "database is locked") || strings.Contains(text, "database table is locked") || strings.Contains(text, "SQLITE_BUSY")
}

// answered reports whether err is the database's own answer to a statement, so that the statement is known not to have been carried out.
func answered(err error) bool {
	s := state(err)
	switch {
	case strings.HasPrefix(s, "08"), strings.HasPrefix(s, "57P"), strings.HasPrefix(s, "58"), s == "XX000":
		return false
	case s != "", number(err) != "", code(err) != 0:
		return true
	default:
		return again(err)
	}
}

// gone reports whether err says that the connection or its context is, not that a statement was refused.
func gone(err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, sql.ErrTxDone), errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if s := state(err); strings.HasPrefix(s, "08") || strings.HasPrefix(s, "57P") {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "invalid connection") || strings.Contains(text, "conn closed") || strings.Contains(text, "database is closed")
}

// missing reports whether a table is not there.
func missing(err error) bool {
	return state(err) == "42P01" || number(err) == "1146" || strings.Contains(err.Error(), "no such table")
}
