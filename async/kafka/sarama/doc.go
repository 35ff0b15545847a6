// Package sarama is async on Kafka by the client library github.com/IBM/sarama, for those who run it already. It keeps the same books and writes the same
// records as package async/kafka, which is the first choice: what one of them wrote the other reads, in topics, retry topics and dead letters, and a key is
// in the same partition.
//
//	source, err := sarama.New(brokers, "billing", []string{"orders"})
//	…
//	component, err := async.New("orders", source, process, async.WithConcurrency(8))
//
// # What is promised
//
// A message is processed at least once. Its position is committed after it is settled, and never before a message that is not: a commit carries the first
// position that is not done, and beside it, in its metadata, what is done behind that. So a crash repeats what was in flight and nothing else, and a message
// that takes its process down is a dead letter after as many starts as the policy allows. A settlement is told when its commit has arrived; commits follow
// each other without a timer.
//
// A partition is a lane: its messages are processed in their order, and the concurrency is bounded by the number of partitions. With [WithKeyLanes] a key is
// a lane.
//
// A revoked partition lets running handlers finish within two thirds of [WithRebalanceTimeout], and commits what they did; a lost one cancels them. A member
// that dies without a word is missed after [WithSession], 6 s; with [WithInstanceID] it gets its partitions back when it returns within that time.
//
// A commit that is out of range, because messages were deleted before they were read, is told of by an error in the log and by the metric
// patron_consumer_missing_messages_total; the group then goes on at the oldest message that is there.
//
// # Topics
//
//	orders                   the topic
//	orders.billing.retry.0   what waits for the first delay of async.WithDelays; as many partitions as the topic
//	orders.billing.dead      dead letters; one partition
//
// The last two are made when a consumer is created, unless [WithoutTopicCreation] is given.
//
// # Differences to async/kafka, and limits of the client library
//
//   - The balancer is cooperative-sticky, the protocol the classic one; that of Kafka 4 (KIP-848), patterns of topics, broadcasts and buffered producers are
//     not there.
//   - The library does not tell how far its reader has come, so a hole at the end of a partition, such as the marker of a transaction, counts as lag until
//     the next message is settled.
//   - A seek ends the session of the member, and the partitions that it did not mean come again as well.
//   - The library does not say whether a record that failed was ever sent: what is no clear refusal is async.ErrUnknown.
//   - The library keeps one goroutine for the whole process (of go-metrics, which it uses). Its logger and its other global variables are left alone.
package sarama
