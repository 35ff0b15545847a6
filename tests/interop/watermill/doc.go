// Package watermill makes a Publisher and a Subscriber of Watermill out of any driver, so that its drivers can be held to the suite that Watermill's own have
// to pass (github.com/ThreeDotsLabs/watermill/pubsub/tests), as well as to that of asynctest.
//
// A test describes its broker as a [Broker] and calls suite, of suite_test.go, with the Features that this broker has. What Watermill's own drivers claim:
//
//	broker                  ConsumerGroups  GuaranteedOrder  …WithSingleSubscriber  Persistent  NewSubscriberReceivesOldMessages
//	Kafka, by partition     yes             yes              no                     yes         only without a group
//	RabbitMQ, fan-out       yes             yes              yes                    yes         no
//	RabbitMQ, one queue     no              yes              yes                    yes         no
//
// All claim ExactlyOnceDelivery false, which makes the suite leave out duplicates: so do we, everywhere. A driver of ours may claim GuaranteedOrder if its
// traits say OrderedGroup, and GuaranteedOrderWithSingleSubscriber besides if they say OrderedProcess; with OrderedNone it claims neither.
package watermill
