package sql_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/beatlabs/patron/async"
	psql "github.com/beatlabs/patron/async/sql"
)

// An order and the message about it are committed together, or not at all: the outbox. What consumes it runs in this process or in another one.
func Example() {
	type order struct{ Invoice, Customer string }

	db, err := sql.Open("double", "") // in life "pgx", "mysql" or "sqlite" and where the database is
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	queue, err := psql.New(db, psql.PostgreSQL, "orders")
	if err != nil {
		fmt.Println(err)
		return
	}

	place := func(ctx context.Context, o order) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, "INSERT INTO orders (invoice, customer) VALUES ($1, $2)", o.Invoice, o.Customer); err != nil {
			return err
		}
		if err := async.Publish(ctx, queue.Tx(tx), o.Customer, o); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		queue.Wake()
		return nil
	}
	fmt.Println(place(context.Background(), order{Invoice: "536365", Customer: "17850"}))

	_, err = async.New("orders", queue, async.Handle(func(context.Context, order) error { return nil }))
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
}

// The statements that make the tables, for a migration tool of your own.
func ExampleSchema() {
	schema, err := psql.Schema(psql.SQLite, psql.WithPrefix("shop_"))
	first, _, _ := strings.Cut(schema, "\n")
	fmt.Println(first, err)
	// Output: CREATE TABLE IF NOT EXISTS shop_schema (version INTEGER NOT NULL PRIMARY KEY); <nil>
}
