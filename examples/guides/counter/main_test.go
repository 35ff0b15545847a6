package main

import (
	"testing"

	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/component/componenttest"
	"github.com/beatlabs/patron/examples/guides/session"
)

func TestMain(m *testing.M) { session.Main(m, main) }

func TestTheGuideShowsWhatHappens(t *testing.T) {
	t.Parallel()
	s := session.Start(t)
	s.Type("visit.txt")
	s.Await(`"visit"`)
	s.Type("info.txt")
	s.Interrupt("run.txt", "go run .")
}

// snippet: suite

func TestCounterIsAGoodComponent(t *testing.T) {
	t.Parallel()
	componenttest.Run(t, func(testing.TB) component.Component {
		return &counter{visits: make(chan string)}
	}, componenttest.WithVirtualTime())
}

// end snippet
