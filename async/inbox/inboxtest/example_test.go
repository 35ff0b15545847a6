package inboxtest_test

import (
	"fmt"
	"testing"

	"github.com/beatlabs/patron/async/inbox"
	"github.com/beatlabs/patron/async/inbox/inboxtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A test of a store calls Run.
func ExampleRun() {
	test := func(t *testing.T) {
		inboxtest.Run(t, func(t *testing.T) inboxtest.Harness {
			store, err := inbox.NewMemory(1000)
			if err != nil {
				t.Fatal(err)
			}
			return inboxtest.Harness{Store: store}
		}, inboxtest.Bubble())
	}
	fmt.Printf("%T\n", test)
	// Output: func(*testing.T)
}
