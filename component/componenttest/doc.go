// Package componenttest checks a component against the contract of package component: one call in a test, and the component is stopped at every awkward
// moment of its life.
//
//	func TestLifecycle(t *testing.T) {
//		componenttest.Run(t, func(tb testing.TB) component.Component {
//			c, err := orders.New("orders")
//			if err != nil {
//				tb.Fatal(err)
//			}
//			return c
//		})
//	}
//
// [Run] lists what it checks. It knows a component only by its interface, so it can stop one that is idle; to have it stopped with work in flight, say with
// [WithBusy] how the component is kept busy. A component that needs no network should be checked in virtual time ([WithVirtualTime]): the suite then takes
// milliseconds, and what the component waits for is waited for in full.
//
// The suite finds goroutines that a component leaves behind by a profiler label that goroutines inherit, so that other tests may run at the same time. What a
// timer of package time starts has no label; goleak.VerifyTestMain in the tests of the component sees it.
package componenttest
