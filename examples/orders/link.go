package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
	psql "github.com/beatlabs/patron/async/sql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver named pgx
)

// link is a broker outside the database of the shop.
type link struct {
	orders   async.ConsumerFactory
	producer async.Producer
	held     []io.Closer
}

// closeTime bounds the flush of a producer.
const closeTime = 5 * time.Second

// Close implements io.Closer.
func (l *link) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	errs := []error{l.producer.Close(ctx)}
	for _, h := range slices.Backward(l.held) {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}

// openLink opens the broker at an address, where the orders go through the topic or queue with a name.
func openLink(ctx context.Context, address brokerURL, name string) (*link, error) {
	switch address.system {
	case "sqlite":
		db, err := openSQLite(ctx, address.file)
		if err != nil {
			return nil, err
		}
		return openDatabase(ctx, db, psql.SQLite, name)
	case "postgres", "postgresql":
		db, err := sql.Open("pgx", address.raw)
		if err != nil {
			return nil, err
		}
		return openDatabase(ctx, db, psql.PostgreSQL, name)
	default:
		return nil, fmt.Errorf("%s: %w", address.system, errors.ErrUnsupported)
	}
}

// openDatabase makes a queue in a database, and the tables for it.
func openDatabase(ctx context.Context, db *sql.DB, dialect psql.Dialect, name string) (*link, error) {
	q, err := psql.New(db, dialect, name)
	if err == nil {
		err = psql.Migrate(ctx, db, dialect)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &link{orders: q, producer: q.Producer(), held: []io.Closer{db}}, nil
}
