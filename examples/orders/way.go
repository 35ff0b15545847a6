package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
)

// queue is the name of the queue in a database that only this shop uses.
const queue = "orders"

// way is how an order comes from the counter to its processing.
type way struct {
	journal journal
	orders  async.ConsumerFactory
	outbox  async.ConsumerFactory // of what goes on to broker; nil: the outbox is the queue
	broker  async.Producer
	lasts   bool // orders outlive the process
}

// openWay opens what -broker and -data ask for.
func (sh *shop) openWay(ctx context.Context, s settings, effects *Effects) (*way, error) {
	address, err := parseBroker(s.broker)
	if err != nil {
		return nil, err
	}
	if address.system == "memory" {
		broker, err := memory.New()
		if err != nil {
			return nil, err
		}
		return &way{journal: &volatileJournal{producer: broker.Producer(queue), effects: effects}, orders: broker.Consumer(queue)}, nil
	}
	dir, err := openDir(s.data)
	if err != nil {
		return nil, err
	}
	dir.left = func() int {
		s := sh.book.Summary()
		return s.Waiting + s.Processing
	}
	sh.held = append(sh.held, dir)
	lock, err := dir.lock(ctx)
	if err != nil {
		return nil, err
	}
	sh.held = append(sh.held, lock)
	db, err := openSQLite(ctx, dir.file(databaseName))
	if err != nil {
		return nil, err
	}
	sh.held = append(sh.held, db)
	if address.system == "sqlite" && address.file == "" {
		store, err := sh.openStore(ctx, db, queue, effects)
		if err != nil {
			return nil, err
		}
		return &way{journal: store, orders: store.queue, lasts: true}, nil
	}

	store, err := sh.openStore(ctx, db, "outbox", effects)
	if err != nil {
		return nil, err
	}
	id, err := dir.instance()
	if err != nil {
		return nil, err
	}
	link, err := openLink(ctx, address, name+"-"+id)
	if err != nil {
		return nil, fmt.Errorf("-broker %s: %w", redacted(s.broker), err)
	}
	sh.held = append(sh.held, link)
	return &way{journal: store, orders: link.orders, outbox: store.queue, broker: link.producer, lasts: true}, nil
}

// How the outbox goes to the broker.
const (
	relays       = 4 // batches on their way at a time
	shortestWait = 10 * time.Millisecond
	longestWait  = time.Second
)

// newRelay returns the component that takes accepted orders from the outbox to the broker. An order that the broker refuses for good,
// because it is too large for instance, is dead.
func newRelay(p *processor, w *way) (*async.Component, error) {
	return async.NewForward("outbox", w.outbox, w.broker,
		async.WithConcurrency(relays), async.WithMaxHeld(maxHeld), async.WithBackoff(shortestWait, longestWait),
		async.WithOnDead(p.bury))
}

// openStore opens the store, and fills the book as the last process left it.
func (sh *shop) openStore(ctx context.Context, db *sql.DB, queue string, effects *Effects) (*store, error) {
	s, err := openStore(ctx, db, queue, effects)
	if err != nil {
		return nil, err
	}
	if err := s.Load(ctx, sh.book); err != nil {
		return nil, err
	}
	return s, effects.Recover(func(invoice string) bool { return !sh.book.IsFinished(invoice) && sh.book.Has(invoice) })
}

// instanceName is the file with the name of this shop among those that share a broker.
const instanceName = "instance"

// instance returns the name of the shop among those that share a broker, which the first start draws: their orders do not mix, and a consumer that comes back
// under its name gets its partitions at once.
func (d *dataDir) instance() (string, error) {
	path := d.file(instanceName)
	text, err := os.ReadFile(path) //nolint:gosec // the user names the directory
	if id := strings.TrimSpace(string(text)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("-data: %w", err)
	}
	var raw [4]byte
	_, _ = rand.Read(raw[:]) // never fails
	id := hex.EncodeToString(raw[:])
	if err := writeWhole(path, id+"\n"); err != nil {
		return "", fmt.Errorf("-data: %w", err)
	}
	return id, nil
}

// writeWhole writes a file of which nobody ever sees a part.
func writeWhole(path, text string) error {
	part := path + ".part"
	file, err := os.Create(part) //nolint:gosec // beside path
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(part, path)
}
