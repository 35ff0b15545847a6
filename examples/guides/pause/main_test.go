package main

import (
	"testing"

	"github.com/beatlabs/patron/examples/guides/session"
)

func TestMain(m *testing.M) { session.Main(m, main) }

func TestTheGuideShowsWhatHappens(t *testing.T) {
	t.Parallel()
	s := session.Start(t)
	s.Type("pause.txt")
	s.Await(`"paid"`)
	s.Type("hang.txt")
	s.Await("consumer stalled")
	s.Type("ready.txt")
	s.Await("check failed")
	s.Type("answer.txt")
	s.Await("stall over")
	s.Interrupt("run.txt", "go run .")
}
