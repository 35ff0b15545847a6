// Package redis makes clients of Redis whose calls are seen: those of github.com/redis/go-redis, with spans and metrics.
//
// The name shadows that of go-redis, so import it as predis:
//
//	client, err := predis.New(&redis.Options{Addr: "cache:6379"})
//	…
//	defer client.Close()
//	count, err := client.Incr(ctx, "visits").Result()
//
// The client, its options and its errors are those of go-redis: [New] makes a *redis.Client, [NewUniversal] what redis.NewUniversalClient makes (one server,
// sentinels or a cluster), and [Instrument] takes any that is there already. Nothing is dialled before the first command, unless redis.Options.MinIdleConns
// says so, and the caller closes it.
//
// # What is seen
//
// Each command is a span of the kind client, named after the command; a pipeline or a transaction is one span, PIPELINE or MULTI, with the number of its
// commands. It takes the time from the call to the answer: waiting for a connection, retries and the redirections of a cluster included; what go-redis says
// to a new connection (HELLO, SELECT, CLIENT) is seen as well. The text of the query has a ? in place of each key and value. The same is counted in
// db_client_operation_duration_seconds, with the label db_operation_name: the commands of Redis are a small set, and what comes after [MaxOperations] of
// them is _OTHER.
//
// The label error_type is the first word of what the server answers (WRONGTYPE, OOM, READONLY, …; _OTHER for what is not known), or timeout, canceled,
// transient for what befell the call. redis.Nil is an answer and no error; nor is the span of NOSCRIPT one of an error, since a script is then sent whole. The
// client never logs: its caller decides.
//
// Spans and metrics go where the context of the call says, see trace.FromContext. The pool of connections is shown from the first command on
// (patron_db_client_connections, db_client_connection_max), until the client is closed or nobody has it any more.
//
// Nothing is sent along: Redis has no place for a trace or a correlation ID.
package redis
