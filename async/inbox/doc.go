// Package inbox keeps the effect of a message from happening twice.
//
// Brokers deliver at least once, and so does everything in front of them: a producer that does not hear a confirmation sends again, the relay of an outbox
// does, a replay that was interrupted does. Each copy has the same ID, given once by the publisher; an inbox notes the IDs whose effect has happened.
//
// # In the transaction of the effect
//
// Where the effect is in a database, an [Inbox] notes the ID in the same transaction. Either both are there or none is, whatever crashes when: the effect
// happens once.
//
//	in, err := inbox.New("orders", psql.PostgreSQL)
//	…
//	orders, err := async.New("orders", source, place, async.WithDeduplication(in))
//
//	func place(ctx context.Context, msg *async.Message) error {
//		tx, err := db.BeginTx(ctx, nil)
//		if err != nil {
//			return err
//		}
//		defer tx.Rollback()
//		if err := in.Once(ctx, tx, msg); err != nil {
//			return err // async.ErrDuplicate: the engine takes the message off
//		}
//		… // the effect, with tx
//		return tx.Commit()
//	}
//
// [Inbox.Once] comes first in the transaction: a second delivery of the message waits there until the first one has committed or rolled back. So the
// transaction must be short and hold no remote call. The schema is made by [Inbox.Migrate], or by your own migrations with [Inbox.Schema], and never behind
// your back; [Inbox.Cleaner] forgets what is older than [WithTTL], in small steps.
//
// # Without a transaction
//
// Where the effect is elsewhere, a [Guard] notes around the handler that a message is in flight, and then that it is done, in a [Store]: [NewMemory], or
// Redis (package async/inbox/redis). A second delivery while the first is in flight is neither processed nor taken off, but asked again later
// (async.PostponedError). The promise is weaker, and cannot be stronger: a process that dies between the effect and the note leaves a message whose effect
// happens again when its lease is over. Give the message's ID to the other side as idempotency key where it takes one.
//
// # What counts as the same message
//
// The name of the consumer and the ID of the message: each consumer has effects of its own. A message without an ID is an error that is permanent
// ([ErrNoID]), not a guess: its content may be that of another message.
//
// Only what is done is noted. A message that failed for good is not done, so its replay passes.
//
// # How long
//
// An ID must be known for as long as a copy of its message can come: the longest time that the tries of the consumer take, and the time for which dead letters
// are kept to be replayed ([WithDeadLetterRetention]). A [WithTTL] below that is refused, by [New] and [NewGuard] as far as they can know, and by async.New, to
// which async.WithDeduplication gives the rest.
package inbox
