// Package kafka is async on Apache Kafka, by the client franz-go: consumers that are members of a group ([New]) or get every message ([NewBroadcast]), and
// producers ([NewProducer], [NewBuffered]).
//
//	cf, err := kafka.New([]string{"broker:9092"}, "billing", []string{"orders"})
//	c, err := async.New("orders", cf, async.Handle(bill))
//
// # What is lost, repeated and overtaken
//
// Nothing is lost: a position is committed only when everything before it is settled. What was in flight when a process dies comes again, and nothing
// else: what is settled out of order is noted in the commit. A message whose handler takes the process down is a dead letter after as many starts as
// the policy of the component allows.
//
// A partition is processed in its order. With [WithKeyLanes] it is the order of each key, and several messages of a partition are processed at the
// same time; the position then stands at the oldest that is not settled, and at [WithMaxUncommitted] beyond it the partition waits. Nack never means
// that a message is passed over: what fails holds its lane until it succeeds, is retried elsewhere, or is a dead letter.
//
// In a rebalance a partition that goes is let go of in good order: what waits is dropped, what runs may finish within two thirds of
// [WithRebalanceTimeout], what is settled is committed, and then the next owner begins. The other partitions go on (the balancer is cooperative). An
// offset that is out of range is an error in the log and counted in patron_consumer_missing_messages_total, and the partition goes on with the oldest
// message that is there.
//
// # Dead letters and retries
//
// A message that failed for good is written to the topic "<topic>.<group>.dead", and then settled. They are listed, counted, looked into and replayed
// by what the component's DeadLetters returns. Kafka cannot delete a record, so one that is removed stays in the topic, and a further record says
// that it is removed: what replays or removes needs the permission to write there.
//
// Delays of async.WithDelays have a topic each, "<topic>.<group>.retry.<n>", where n counts the different delays from the shortest. They are consumed
// by the same component, with the origin as their source; a partition of one waits until its head is due. When a delay is taken out of the
// configuration, what its topic holds is still consumed, and the topic may be deleted when it is empty. Who makes them is decided by
// [WithoutTopicCreation]. They take what the topic takes (its max.message.bytes, as it is when they are made) and a little more.
//
// # After a crash
//
// A group learns of the death of a member by its silence. The defaults are a session of 6 s and a heartbeat of 1 s, so what the dead member had goes
// on elsewhere after some six seconds; franz-go's own default, as Kafka's, is 45 s. A process that comes back at once with the same [WithInstanceID]
// goes on within a second in a classic group, whatever the session is: choose that where the first message must come soon. Under
// [WithConsumerProtocol] the broker sets the session, and refuses the instance until it is over.
//
// # Records
//
// Key and value are those of the message, and headers are headers. The ID is the header Patron-Message-Id; a message of a foreign producer has the ID
// "<topic>/<partition>/<offset>". The timestamp of a record is the time of the message, unless that is more than an hour from now: then it travels in
// the header Patron-Message-Time. A message without data (nil) is a record without a value, which deletes its key from a compacted topic.
package kafka
