// Package record is how a message is written into a record of Kafka and read from one, in every topic that the drivers write: the topic itself, its
// retry topics and its dead-letter topic. It knows no client library, so that the drivers of Kafka share it and read what the others wrote.
//
// Key and value of a record are those of the message; a message without data is a record without a value, which a compacted topic takes for a
// deletion. The other fields of the message are headers, unless the record has a place for them:
//
//	Patron-Message-Id       always
//	Patron-Message-Time     only if it is not the timestamp of the record, see [Stamp]
//	Patron-Message-Due      if set
//	Patron-Message-Expires  if set
//
// A record in a retry topic has beside them [HeaderPosition], [HeaderAttempts] and [HeaderDue]; one in a dead-letter topic [HeaderPosition] and those of
// async.MarkDead; one that removes a dead letter has [HeaderRemoved] and nothing else, neither key nor value.
//
// Who did not use this package has no header for the ID: the ID is then the position of the record, as in "orders/3/42".
package record
