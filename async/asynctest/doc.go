// Package asynctest proves drivers of the async engine, and the handlers of services: one call of [Run] shows that a consumer keeps the contract of
// async.Consumer, one of [RunProducer] that a producer keeps that of async.Producer, one of [RunDeadLetters] that dead letters keep that of
// async.DeadLetters; and [Simulate] plays random histories of a service, deaths included, and finds the handler that does not bear being repeated.
//
//	func TestConformance(t *testing.T) {
//		traits := async.Traits{Ordered: async.OrderedGroup, Redelivers: true, …}
//		asynctest.Run(t, traits, func(t testing.TB) asynctest.Harness { return newHarness(t) })
//		asynctest.RunProducer(t, traits, func(t testing.TB) asynctest.Harness { return newHarness(t) })
//		asynctest.RunDeadLetters(t, traits, func(t testing.TB) asynctest.Harness { return newHarness(t) })
//	}
//
// The suite drives a consumer directly where the contract is finer than what the engine shows: limits, verdicts, order among consumers, leases, the drain
// of a volatile source. Everything else it sees through the engine, as a service does: that every message is processed once when all is well, that nothing
// is lost and no key gets out of order when handlers fail, panic or block, when settlements and dead letters fail, when claims are revoked or lost, when
// the broker goes away, and when the service stops in the middle of it.
//
// # Traits
//
// Which cases apply is decided by async.Traits, which the test states and the driver must claim in the same words. A case that does not apply is skipped
// with its reason; so is one that needs an ability which the [Harness] does not have.
//
// # Time
//
// A broker that lives in the process is tested in virtual time ([WithVirtualTime]): each case in a bubble of testing/synctest, where an hour takes no time
// and a rate is exact. For any other, the suite waits for what must happen until its patience is over ([WithPatience]), and watches for a while that
// something does not happen ([WithQuiet]); only lower bounds of time, which no slow machine can break, are held against it, and generous upper ones.
//
// # Goroutines
//
// Each case ends by closing everything, and fails if a goroutine is left that was started on its behalf. A harness closes what it has started in Close.
//
// # Simulation
//
// [Simulate] is for everybody who writes a handler, not only for drivers. It runs the engine and the handler over a simulated broker in virtual time; the
// guide docs/guides/testing.md shows it at work.
package asynctest
