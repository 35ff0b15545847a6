package main

import (
	"testing"

	"github.com/beatlabs/patron/examples/guides/session"
)

func TestMain(m *testing.M) { session.Main(m, main) }

func TestTheGuideShowsWhatHappens(t *testing.T) {
	t.Parallel()
	s := session.Start(t)
	s.Type("publish.txt")
	s.Await(`"released"`)                                // the last of three, in their order
	s.AwaitAnswer("curl localhost:50000/dead", "536366") // whose dead letters are written after that
	s.Type("dead.txt")
	s.Type("replay.txt")
	s.Await(`"reserved"`)
	s.Type("left.txt")
	s.Interrupt("run.txt", "go run .")
}
