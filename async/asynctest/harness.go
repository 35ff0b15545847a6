package asynctest

import (
	"context"

	"github.com/beatlabs/patron/async"
)

// Harness is a broker with one source that nobody else uses, empty when a case begins. The maker that is given to [Run] makes one for each case, and fails
// the test if it cannot. Its methods may be called concurrently.
//
// What the suite cannot do through the contract, it does through further small interfaces that it finds by assertion: [DeadLetterReader], [Outage],
// [Absence], [SettlementFailer], [DeadLetterBreaker], [Revoker], [Loser], [SendFailer], [Broadcaster]. Cases that need one that is missing are skipped
// with its name, so a harness should have all that its broker allows.
type Harness interface {
	// Factory returns a factory of consumers of the source. The consumers of all factories share its messages: they are one group.
	Factory() async.ConsumerFactory
	// Producer returns a new producer to the source. The suite closes it.
	Producer() async.Producer
	// Close releases the broker. It is called once, when consumers and producers are closed.
	Close()
}

// DeadLetterReader is needed of a harness whose traits have DeadLetters.
type DeadLetterReader interface {
	// DeadLetters returns the dead letters of the source, in the order in which they were written.
	DeadLetters(ctx context.Context) ([]*async.Message, error)
}

// Outage takes the broker away and brings it back. What is in it stays.
type Outage interface {
	Down() // returns when nothing can be received or sent any more
	Up()   // returns when it can be again
}

// Absence is a broker that cannot be reached and never could.
type Absence interface {
	// Absent returns a factory of consumers of it.
	Absent() async.ConsumerFactory
}

// SettlementFailer makes settlements fail before they are carried out.
type SettlementFailer interface {
	// FailSettlements makes each every-th settlement fail from now on, until it is called with 0.
	FailSettlements(every int)
}

// DeadLetterBreaker takes the target of dead letters away.
type DeadLetterBreaker interface {
	BreakDeadLetters() // from now on no dead letter is written
	MendDeadLetters()  // and from now on they are again
}

// Revoker takes the claims of all consumers away in good order, as a rebalance does.
type Revoker interface {
	// Revoke returns when the claims are gone and their unsettled messages are back in the source. Running handlers may finish until ctx ends.
	Revoke(ctx context.Context)
}

// Loser ends the claims of all consumers without notice.
type Loser interface {
	// Lose returns when the messages are back in the source.
	Lose()
}

// SendFailer makes the broker refuse messages.
type SendFailer interface {
	// FailSend makes the broker refuse the message at index i of the next Send, counted from 0.
	FailSend(i int)
}
