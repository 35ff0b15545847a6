package main

import (
	"testing"

	"github.com/beatlabs/patron/examples/guides/session"
)

func TestMain(m *testing.M) { session.Main(m, main) }

func TestTheGuideShowsWhatHappens(t *testing.T) {
	t.Parallel()
	s := session.Start(t)
	s.Type("greeting.txt")
	s.Type("missing.txt")
	s.Type("ready.txt")
	s.Interrupt("run.txt", "go run .")
}
