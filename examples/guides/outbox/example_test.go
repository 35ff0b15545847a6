package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/inbox"
	"github.com/beatlabs/patron/async/memory"
	psql "github.com/beatlabs/patron/async/sql"
	"github.com/beatlabs/patron/component"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// snippet: order
type order struct {
	Invoice  string `json:"invoice"`
	Customer string `json:"customer"`
	Pieces   int    `json:"pieces"`
}

// end snippet

// shop is a service that takes orders.
type shop struct {
	db     *sql.DB
	outbox *psql.Queue
}

// errSoldOut is why an order is not taken.
var errSoldOut = errors.New("sold out")

// snippet: place
func (s *shop) place(ctx context.Context, o order) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	if _, err := tx.ExecContext(ctx, "INSERT INTO orders (invoice, pieces) VALUES (?, ?)", o.Invoice, o.Pieces); err != nil {
		return err
	}
	if o.Pieces > 100 {
		return errSoldOut // the order is not there, and nobody hears of it
	}
	if err := async.Publish(ctx, s.outbox.Tx(tx), o.Customer, o, async.WithID(o.Invoice)); err != nil {
		return err
	}
	return tx.Commit()
}

// end snippet

// stock is a service that ships what was ordered.
type stock struct {
	db   *sql.DB
	once *inbox.Inbox
}

// snippet: ship
func (s *stock) ship(ctx context.Context, msg *async.Message) error {
	o, err := async.Decode[order](codecs, msg)
	if err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := s.once.Once(ctx, tx, msg); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE stock SET pieces = pieces - ?", o.Pieces); err != nil {
		return err
	}
	return tx.Commit()
}

// end snippet

func Example_outbox() {
	dir, err := os.MkdirTemp("", "outbox")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "shop.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	const schema = "CREATE TABLE orders (invoice TEXT, pieces INTEGER); CREATE TABLE stock (pieces INTEGER); INSERT INTO stock VALUES (1000)"
	if _, err := db.ExecContext(ctx, schema); err != nil {
		fmt.Println(err)
		return
	}

	// snippet: relay
	if err := psql.Migrate(ctx, db, psql.SQLite); err != nil {
		fmt.Println(err)
		return
	}
	outbox, err := psql.New(db, psql.SQLite, "orders-out")
	if err != nil {
		fmt.Println(err)
		return
	}
	relay, err := async.NewForward("orders-relay", outbox, broker.Producer("orders"))
	if err != nil {
		fmt.Println(err)
		return
	}
	// end snippet

	stock := &stock{db: db}
	// snippet: consumer
	stock.once, err = inbox.New("stock", psql.SQLite)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := stock.once.Migrate(ctx, db); err != nil {
		fmt.Println(err)
		return
	}
	shipping, err := async.New("shipping", broker.Consumer("orders"), stock.ship, async.WithDeduplication(stock.once))
	if err != nil {
		fmt.Println(err)
		return
	}
	cleaner, err := stock.once.Cleaner(db)
	if err != nil {
		fmt.Println(err)
		return
	}
	// end snippet

	// snippet: use
	shop := &shop{db: db, outbox: outbox}
	fmt.Println(shop.place(ctx, order{Invoice: "536365", Customer: "17850", Pieces: 6}))
	fmt.Println(shop.place(ctx, order{Invoice: "536366", Customer: "17850", Pieces: 500}))
	// What a relay does that was killed between the confirmation of the broker and its own note:
	fmt.Println(async.Publish(ctx, broker.Producer("orders"), "17850", order{"536365", "17850", 6}, async.WithID("536365")))
	// end snippet

	finish := run(ctx, relay, shipping, cleaner)
	for broker.Len("orders") > 0 || pieces(ctx, db) == 1000 {
		time.Sleep(time.Millisecond)
	}
	finish()
	fmt.Println("in stock:", pieces(ctx, db))
	// Output:
	// <nil>
	// sold out
	// <nil>
	// in stock: 994
}

// run runs components as a service does, until the function that it returns is called.
func run(ctx context.Context, cc ...component.Component) func() {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, len(cc))
	for _, c := range cc {
		go func() { ended <- c.Run(ctx) }()
	}
	return func() {
		stop()
		for range cc {
			if err := <-ended; err != nil {
				fmt.Println(err)
			}
		}
	}
}

// pieces counts what is in stock.
func pieces(ctx context.Context, db *sql.DB) int {
	var n int
	if err := db.QueryRowContext(ctx, "SELECT pieces FROM stock").Scan(&n); err != nil {
		fmt.Println(err)
	}
	return n
}
