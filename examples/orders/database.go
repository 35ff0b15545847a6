package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver named sqlite
)

// busyTime is how long SQLite waits for another process that writes, in milliseconds.
const busyTime = 5000

// openSQLite opens or makes a database file. A commit is on the disk when it returns (write-ahead log, synchronous=FULL).
func openSQLite(ctx context.Context, path string) (*sql.DB, error) {
	pragmas := url.Values{
		"_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTime), "journal_mode(WAL)", "synchronous(FULL)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: pragmas.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), db.Close())
	}
	return db, nil
}

// databaseName is the file in the directory of -data.
const databaseName = "orders.db"

// dataDir is where a shop keeps its orders.
type dataDir struct {
	path      string
	temporary bool
	left      func() int // orders that are not finished; nil: nobody knows
}

// openDir makes dir if it is missing; "" is a temporary one, which Close removes.
func openDir(dir string) (*dataDir, error) {
	if dir == "" {
		path, err := os.MkdirTemp("", "orders-")
		if err != nil {
			return nil, fmt.Errorf("-data: %w", err)
		}
		return &dataDir{path: path, temporary: true}, nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	return &dataDir{path: dir}, nil
}

// lockName is a database without tables. Its lock is that of the operating system: it ends with the process, however that ends, on every platform.
const lockName = "lock"

// lock keeps other processes away until it is closed: two shops would each have a book of their own for the same orders.
func (d *dataDir) lock(ctx context.Context) (io.Closer, error) {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: d.file(lockName)}).EscapedPath()}).String())
	if err != nil {
		return nil, fmt.Errorf("-data %s: %w", d.path, err)
	}
	db.SetMaxOpenConns(1) // the connection with the lock
	if _, err := db.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		err = errors.Join(err, db.Close())
		if strings.Contains(err.Error(), "SQLITE_BUSY") {
			return nil, fmt.Errorf("-data %s: another shop is open there: %w", d.path, err)
		}
		return nil, fmt.Errorf("-data %s: %w", d.path, err)
	}
	return db, nil
}

// file returns the path of a file in the directory.
func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// Close implements io.Closer.
func (d *dataDir) Close() error {
	if !d.temporary {
		return nil
	}
	err := os.RemoveAll(d.path)
	if d.left != nil {
		if n := d.left(); n > 0 {
			err = errors.Join(err, fmt.Errorf("%d messages left, which go with the temporary directory: -data keeps them", n))
		}
	}
	return err
}
