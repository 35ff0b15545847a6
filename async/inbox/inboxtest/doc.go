// Package inboxtest proves stores of the package inbox: [Run] is what every inbox.Store must pass.
//
//	func TestMyStoreIsAStore(t *testing.T) {
//		inboxtest.Run(t, func(t *testing.T) inboxtest.Harness {
//			return inboxtest.Harness{Store: mystore.New(…), Unit: 100 * time.Millisecond, Pass: wait}
//		})
//	}
//
// A harness says how time passes for its store. Where that is the time of the process, the cases run in a bubble of testing/synctest and take no time.
package inboxtest
