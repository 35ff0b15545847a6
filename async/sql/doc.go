// Package sql is a queue in the user's database over database/sql, for the async engine: PostgreSQL, MySQL and MariaDB, and SQLite. The user brings the
// driver
// and the *sql.DB. Its alias is psql.
//
//	err := psql.Migrate(ctx, db, psql.PostgreSQL)             // where you migrate your own tables
//	queue, err := psql.New(db, psql.PostgreSQL, "orders")     // consumers: async.New("orders", queue, handler)
//	err = async.Publish(ctx, queue.Producer(), customer, order) // a transaction of its own
//	err = async.Publish(ctx, queue.Tx(tx), customer, order)     // your transaction: an outbox
//
// # Guarantees
//
// A message is there if and when the transaction is committed that published it; a Send that returned nil is committed. It is given to one consumer at a time
// until it is acknowledged, at least once. Messages of a key come in the order in which the transactions that published them were committed, across all
// processes: publishing with a key takes a lock of that key until the transaction ends, because the numbers of rows are not the order of commits. Keys share
// 1024 of these locks. [Unordered] does without. Messages without a key have no order. A message that is held back (async.WithDueIn) is not in the order
// of its
// key until it is due; it comes up to half a heartbeat late.
//
// A key is leased, not a row: a consumer gets a run of its messages, and nobody gets more of it until all of them are settled. A key that waits, for a
// retry for
// instance, costs others nothing, however much is behind it. A retry keeps the order; the key waits.
//
// # Processes that die
//
// Leases belong to an owner, which is a consumer. It writes a heartbeat, which is compared by the database's clock alone; with PostgreSQL and MySQL its
// connection also holds a lock (of the session), so that its end is seen at once. What is leased to an owner that is gone goes back, all at once, its
// attempts
// spent: a message that takes its process down ends as a dead letter, see async.ErrExhausted. An attempt is spent when a message is leased, so a message that
// only waited in a process that died has spent one, too. Therefore async.Traits.ExactAttempts is not set, and the engine forgives ten: a message is dead that
// was in as many processes that died as the policy allows tries, and ten more, whether it killed them or not. What is released, and what is unsettled when a
// consumer is closed, goes back with its attempts not spent. Every settlement compares owner and delivery, so a late one changes nothing and gets
// async.ErrLost.
//
// A consumer of PostgreSQL or MySQL keeps one connection of the pool for as long as it lives. Behind a pooler that gives transactions any session, and with
// Galera, use [WithHeartbeatOnly].
//
// # Tables
//
// [Migrate] makes them and [Schema] prints them; nothing else in this package changes a schema, and what finds none, or another version, says so. All
// times are
// microseconds since 1970 by the database's clock, except for those that came with the message.
//
//   - messages: what was published. due: may be given out from then on; NULL: leased, or with a lane, or done. owner: who leased it. lane: a hash of the key.
//     attempts, deliveries: how often it was leased, without and with those that gave it back. done: when it was acknowledged, see [WithRetention].
//   - heads: the keys that have messages. due and owner as above; next_id: no message of the lane is below. One index entry a key is what a Receive looks at.
//   - held: what is not due yet. It comes into messages when it is.
//   - dead: dead letters, with their cause, until they are removed. [Queue.DeadLetters] lists them, async.Replay sends them again.
//   - owners: the consumers that live, and the process that each is in.
//   - tickets, slots: of MySQL, see schema.go. schema: the version.
//
// Several queues share the tables of a prefix ([WithPrefix]). A dump that is restored works, since nothing depends on transaction numbers, and leases of
// owners
// that are not there are nobody's; call Migrate once if it was restored table by table.
//
// # Tuning
//
// A consumer that finds nothing looks again after 50 ms, then more and more rarely up to 1 s ([WithPoll]); what its own [Queue] published it is told.
// After the
// commit of your own transaction call [Queue.Wake]; for other processes there is [WithWake], with a LISTEN of pgx for instance:
//
//	psql.WithWake(func(ctx context.Context) error {
//		_, err := conn.WaitForNotification(ctx) // of a *pgx.Conn on which LISTEN orders was executed
//		return err
//	})
//
// Nothing here sends that NOTIFY, because it makes all commits of the database wait for each other: send it where that does not matter.
//
// PostgreSQL and MySQL keep the index entries of deleted rows as long as a transaction is open that might see them. A search begins behind them (see floor in
// lease.go), so an open transaction does not make Receive slow; it does make the tables grow. Transactions are READ COMMITTED; a deadlock and a serialization
// error (40001, 40P01, 55P03, 1020, 1205, 1213, 3572, SQLITE_BUSY) are repeated until the context ends. Errors are recognised without knowing the
// driver: by the
// methods SQLState and Code, which those of pgx, lib/pq and modernc.org/sqlite have, and by the texts of go-sql-driver/mysql and mattn/go-sqlite3.
//
// # Sizing
//
// A message is one row with one or two index entries beside its key, written once, changed once by its lease and deleted once; with [WithRetention] it is
// changed instead, and the table holds as much as arrives in that time: an hour or a day is fine, an archive belongs elsewhere. Nothing reads more of the
// table than it gives out, so what waits costs room and no time. Dead letters stay until they are removed.
//
// Connections: a consumer of PostgreSQL or MySQL keeps one, uses one for Receive, one for Settle and now and then one for its upkeep; a Send uses one while it
// lasts. So allow for four for each consumer and one for each Send at a time (SetMaxOpenConns, and set SetMaxIdleConns as high), and let max_connections
// of the server be that times the number of processes. Many components can share a pool, and one with a high concurrency needs no more than another.
//
// Each message leaves two dead rows behind, which autovacuum of PostgreSQL removes; by default it waits for a fifth of the table, and after a backlog
// that is too much. Worth having for the tables messages and heads, as your own migration:
//
//	ALTER TABLE patron_messages SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0)
//	ALTER TABLE patron_heads SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0)
//
// MySQL purges by itself. Both can only remove what no open transaction might see, so bound those (idle_in_transaction_session_timeout, for instance).
//
// # SQLite
//
// Open the file with journal_mode=WAL, synchronous=FULL (or you lose confirmed messages with the power) and a busy_timeout, with modernc.org/sqlite:
//
//	sql.Open("sqlite", "file:orders.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
//
// A process that cannot write a heartbeat for three and a half of them, stopped by a debugger or locked out by a transaction of yours, loses its leases: others
// process its messages, its late settlements get async.ErrLost and change nothing, and it goes on with leases that are new.
//
// A SQLite database has one writer. All writes of a [Queue] are joined into common transactions, so use one Queue for all that publishes and consumes in
// a process.
// A transaction of your own holds up everybody while it is open: begin it with a write (or BEGIN IMMEDIATE), and keep it short. Never publish through
// [Queue.Producer] while you have one open: it waits for yours. A database that is locked is waited for; one that is full is an error, and the engine
// tries again.
package sql
