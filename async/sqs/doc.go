// Package sqs connects the async engine with Amazon SQS, and publishes to SNS.
//
// [New] makes consumers of a queue, [NewPublisher] and [NewSNSPublisher] producers. They take a client of aws-sdk-go-v2 as it is, so its region, endpoint,
// credentials, retries and HTTP client are those that the program gives it; anything else that has the few calls of [Client] will do.
//
//	client := sqs.NewFromConfig(cfg) // of github.com/aws/aws-sdk-go-v2/service/sqs
//	orders, err := patronsqs.New(client, "orders", patronsqs.WithDeadLetterQueue("orders-dead"))
//	c, err := async.New("orders", orders, async.Handle(place), async.WithConcurrency(8), async.WithMaxHeld(40))
//
// # Receiving
//
// Receivers ([WithReceivers]) are calls that wait for messages, up to ten at a time; workers are the engine's: 4 receivers with 2 workers each, 8 messages in
// work, are 4 receivers and async.WithConcurrency(8). What is received is held: it is hidden from other consumers, and kept so as long as the process lives,
// waiting or in work, by extending its visibility time at half of it. So a handler may take longer than the visibility time, and async.WithMaxHeld is what
// bounds how much one process takes from the others. A message that cannot be extended is lost: its handler is cancelled, and nothing is settled.
//
// A receive call is never cancelled, because SQS would then hide its next message for a visibility time and give it to nobody. A stop waits for the calls that
// are under way, up to [WithWait], and gives back what they bring; a wait that is longer than the grace period of the service is refused.
//
// Failures that may pass, throttling for instance, are tried again without ending anything; Check tells of them.
//
// # Order
//
// A standard queue has no order; a FIFO queue, known by its name that ends in .fifo, has that of its message groups, among all consumers. The key of a message
// is its group; one without a key is a group of its own. While a message of a group is in work, waits for its next try or is given back, no consumer gets what
// is behind it.
//
// # Failure
//
// async.WithDelays becomes visibility: a message comes again after its delay, rounded up to a second, at most 12 hours after it was received. With
// [WithDeadLetterQueue] what fails for good is sent there with its reason and then deleted; without, see there, the redrive policy of the queue is its end.
// SQS counts deliveries, not starts of the handler, and cannot take a count back. This process remembers what it gave back, so Message.Attempt is right for
// what comes to it again; a delivery to another one counts as a start. So a redrive policy must allow ten deliveries more than there are attempts, which is
// checked when it connects.
//
// Dead letters can be listed, counted, looked into and replayed, as far as SQS goes: it cannot browse, so each look receives all letters, which hides them from
// others for a moment, and takes at least a second. Numbers are approximate. Of a FIFO queue that SQS itself moved messages to, a look sees no more than ten of
// each group.
//
// # What travels
//
// Headers are message attributes, so others can read and filter by them. SQS takes ten, with text that is not empty: the rest travels in one binary attribute,
// [HeaderPacked]. So do ID, key, publishing time, due and expiry time, which have attributes of their own while there is room. A body that SQS refuses (empty,
// or not the characters of XML 1.0) travels in base64, and [HeaderEncoding] says so. A message has at most 1 MiB with everything.
//
// Messages of others are taken as they are: their ID is that of SQS, their key the message group if there is one. What SNS has put into an envelope is taken
// out of it, see [WithEnvelope]. Trace context comes from traceparent, else from AWSTraceHeader.
//
// # What SQS cannot do
//
// It delivers at least once: a standard queue may give a message twice at the same time, and a message whose deletion was not answered comes again. It cannot
// seek, broadcast (subscribe a queue for each instance to a topic), or tell the age of its oldest message. It holds back a single message for 15 minutes at
// most, and none in a FIFO queue. It does not take part in transactions: see async/sql for an outbox.
package sqs
