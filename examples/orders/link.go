package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/beatlabs/patron/async"
	psql "github.com/beatlabs/patron/async/sql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver named pgx
)

// link is a broker outside the database of the shop. It is opened without looking at the broker, which may be away.
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

// openLink opens the broker at an address, where the orders go through the topic or queue with a name, which only this shop uses.
func openLink(ctx context.Context, address brokerURL, name string) (*link, error) {
	switch address.system {
	case "sqlite":
		db, err := openSQLite(ctx, address.file)
		if err != nil {
			return nil, err
		}
		return openDatabase(db, psql.SQLite, name)
	case "postgres", "postgresql":
		db, err := sql.Open("pgx", address.raw)
		if err != nil {
			return nil, errors.New("the address cannot be read") // what cannot be read may be a password
		}
		return openDatabase(db, psql.PostgreSQL, name)
	case "kafka":
		return openKafka(address.addresses, name)
	case "amqp", "amqps":
		return openAMQP(address.raw, name)
	case "sqs":
		return openSQS(address.addresses[0], name)
	default:
		return nil, fmt.Errorf("%s: %w", address.system, errors.ErrUnsupported)
	}
}

// openDatabase makes a queue in a database, and the tables for it.
func openDatabase(db *sql.DB, dialect psql.Dialect, name string) (*link, error) {
	q, err := psql.New(db, dialect, name)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	l := furnished(q, q.Producer(), func(ctx context.Context) error { return psql.Migrate(ctx, db, dialect) })
	l.held = append(l.held, db)
	return l, nil
}

// furnished returns a link to a broker where something must be made before orders can go through it. Build does that each time a consumer is made; it must not
// mind what is there.
func furnished(orders async.ConsumerFactory, producer async.Producer, build func(ctx context.Context) error) *link {
	f := &furniture{build: build}
	return &link{orders: &furnishedFactory{ConsumerFactory: orders, furniture: f}, producer: &furnishedProducer{Producer: producer, furniture: f}}
}

// furniture is what a broker must have before orders can go through it: a topic, a queue, tables.
type furniture struct {
	build func(ctx context.Context) error

	mu      sync.Mutex // guards everything below
	there   bool
	missing error // why not
}

var errFurniture = errors.New("no consumer has made yet what the orders go through")

// note keeps how the last attempt to consume ended. What was there once is taken to stay.
func (f *furniture) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.there, f.missing = f.there || err == nil, err
}

// check returns nil if it is there.
func (f *furniture) check() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.there:
		return nil
	case f.missing != nil:
		return fmt.Errorf("%w: %v", errFurniture, f.missing) //nolint:errorlint // what is permanent for a consumer is for a relay a reason to wait
	default:
		return errFurniture
	}
}

// furnishedFactory makes the furniture before it makes consumers.
type furnishedFactory struct {
	async.ConsumerFactory

	furniture *furniture
}

var (
	_ async.Planner          = (*furnishedFactory)(nil)
	_ async.DeadLetterKeeper = (*furnishedFactory)(nil)
)

// Create implements async.ConsumerFactory.
func (f *furnishedFactory) Create(ctx context.Context) (async.Consumer, error) {
	if err := f.furniture.build(ctx); err != nil {
		f.furniture.note(err)
		return nil, err
	}
	c, err := f.ConsumerFactory.Create(ctx)
	f.furniture.note(err)
	return c, err
}

// Plan implements async.Planner.
func (f *furnishedFactory) Plan(p async.Plan) (async.ConsumerFactory, error) {
	planner, ok := f.ConsumerFactory.(async.Planner)
	if !ok {
		return f, nil
	}
	planned, err := planner.Plan(p)
	if err != nil {
		return nil, err
	}
	return &furnishedFactory{ConsumerFactory: planned, furniture: f.furniture}, nil
}

// DeadLetters implements async.DeadLetterKeeper.
func (f *furnishedFactory) DeadLetters() async.DeadLetters {
	if keeper, ok := f.ConsumerFactory.(async.DeadLetterKeeper); ok {
		return keeper.DeadLetters()
	}
	return nil
}

// furnishedProducer sends nothing before the furniture is there: some brokers refuse for good what has nowhere to go.
type furnishedProducer struct {
	async.Producer

	furniture *furniture
}

// Send implements async.Producer.
func (p *furnishedProducer) Send(ctx context.Context, mm ...*async.Message) error {
	if err := p.furniture.check(); err != nil {
		return err
	}
	return p.Producer.Send(ctx, mm...)
}
