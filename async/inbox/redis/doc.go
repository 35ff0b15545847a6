// Package redis keeps an inbox in Redis: the store of a Guard that several processes share.
//
//	store, err := inboxredis.New(client)
//	…
//	guard, err := inbox.NewGuard("mails", store)
//	…
//	mails, err := async.New("mails", source, send, async.WithDeduplication(guard))
//
// The client is the user's, from the package client/redis for instance, which shows what it does. Each message is one key: with the owner while it is in flight
// (SET NX PX), and a mark when it is done; a script compares and changes in one step. Redis 5 or later, also as a cluster; Valkey as well.
//
// # What it promises
//
// At least once, and once where nothing crashes: see the package inbox. A process that dies between the effect and the note has its message processed again
// when the lease is over. Redis adds to that what it may forget by itself. With asynchronous replication a fail-over can lose the last notes, with appendfsync
// everysec a crash can lose those of a second, and with a maxmemory-policy that evicts keys it loses any: use noeviction. Where an effect must not happen
// twice, it belongs into a transaction with an inbox.Inbox.
package redis
