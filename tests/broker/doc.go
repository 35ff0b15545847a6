// Package broker starts real brokers and databases for tests, as child processes on free loopback ports. Docker is not needed. There are Apache Kafka, with one
// node or three, RabbitMQ, Redis, PostgreSQL, MariaDB, ElasticMQ, which speaks SQS, and fauxqs, which speaks SNS and SQS.
//
//	b, err := broker.Start(ctx, broker.Spec{Kind: broker.Kafka, Nodes: 3})
//	…
//	defer b.Remove(context.WithoutCancel(ctx))
//	addresses := b.Env()["PATRON_TEST_KAFKA"]
//	err = b.Nodes()[1].Kill(ctx)  // SIGKILL; the ports stay ours
//	err = b.Nodes()[1].Start(ctx) // on its data; returns when the node answers
//
// # What a broker needs
//
// Kafka and ElasticMQ are jars that Maven fetches, fauxqs comes from npm, the rest are Debian packages. What is fetched goes once into a cache, see CacheDir;
// what is missing is installed by apt-get where that is allowed (root, or sudo without a password), and otherwise the error says what is missing and how to
// get it. The versions that are not Debian's are pinned in this package.
//
// # What holds for all of them
//
//   - A broker is ready when it answers in its own protocol, not when its port accepts.
//   - Ports are below the range from which the kernel takes those of clients: who redials a dead port of that range can be connected to itself, and then keeps
//     the broker from coming back. While a Broker exists nobody else who uses this package gets its ports, not even while it is dead.
//   - What a broker has confirmed is with the kernel, so it survives SIGKILL, but nothing is synced to the disk: the power must stay on.
//     ElasticMQ keeps nothing unless Spec.Durable is set, and fauxqs never does.
//   - A child does not outlive its parent on Linux, however that one ends, unless Spec.Detached is set. It has a session of its own, so that a Ctrl-C in
//     the terminal is the parent's to handle.
//
// Command brokers, below, keeps a set of them for a whole machine.
package broker
