package brokers_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	"github.com/beatlabs/patron/async"
	psql "github.com/beatlabs/patron/async/sql"
	_ "modernc.org/sqlite"
)

// snippet: sql
func newSQLOrders(ctx context.Context, db *sql.DB, bill func(context.Context, order) error) (*async.Component, *psql.Queue, error) {
	if err := psql.Migrate(ctx, db, psql.SQLite); err != nil { // or in your migrations: psql.Schema prints the statements
		return nil, nil, err
	}
	orders, err := psql.New(db, psql.SQLite, "orders") // PostgreSQL, MySQL: the same
	if err != nil {
		return nil, nil, err
	}
	c, err := async.New("orders", orders, async.Handle(bill), async.WithConcurrency(8))
	return c, orders, err
}

func placeInSQL(ctx context.Context, orders *psql.Queue, o order) error {
	return async.Publish(ctx, orders.Producer(), o.Customer, o, async.WithID(o.Invoice)) // or orders.Tx(tx), in a transaction of yours
}

// end snippet

func Example_sql() {
	dir, err := os.MkdirTemp("", "brokers")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	// snippet: sqlite
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "orders.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	// end snippet
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	c, orders, err := newSQLOrders(ctx, db, func(_ context.Context, o order) error {
		fmt.Println("billed", o.Invoice)
		stop()
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := placeInSQL(ctx, orders, order{Invoice: "536365", Customer: "17850"}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(c.Run(ctx))
	// Output:
	// billed 536365
	// <nil>
}
