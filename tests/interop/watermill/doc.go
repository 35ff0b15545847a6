// Package watermill makes a Publisher and a Subscriber of Watermill out of any driver, so that its drivers can be held to the suite that Watermill's own have
// to pass (github.com/ThreeDotsLabs/watermill/pubsub/tests), as well as to that of asynctest.
//
// A test describes its broker as a [Broker] and calls suite, of suite_test.go, with the Features that this broker has. Watermill's own drivers claim, all of
// them, Persistent and no ExactlyOnceDelivery, and besides:
//
//   - Kafka: ConsumerGroups; GuaranteedOrder where messages have a partition key; NewSubscriberReceivesOldMessages where the subscriber has no group
//   - RabbitMQ with a fan-out exchange: ConsumerGroups, and GuaranteedOrder with GuaranteedOrderWithSingleSubscriber
//   - RabbitMQ with one queue: the same without ConsumerGroups
//
// So do we. A driver of ours may claim GuaranteedOrder if its traits say OrderedGroup, with GuaranteedOrderWithSingleSubscriber if they say OrderedProcess, and
// neither if they say OrderedNone. What Watermill does with RestartServiceCommand, reconnect of reconnect_test.go does with a function that restarts the
// broker.
package watermill
