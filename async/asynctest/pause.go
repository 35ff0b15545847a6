package asynctest

import (
	"slices"

	"github.com/beatlabs/patron/async"
)

// pauseCases are about consumers that are an async.Pauser; for others they are skipped.
func pauseCases() []conformanceCase {
	return []conformanceCase{
		{name: "the sources of a consumer are those of its messages", run: pauseSources},
		{name: "a paused source gives nothing until it is resumed", run: pausePaused},
	}
}

// pauser returns what can pause, or skips the case.
func (c *client) pauser() async.Pauser {
	c.s.Helper()
	pauser, ok := c.consumer.(async.Pauser)
	if !ok {
		c.s.skip("the consumer is no async.Pauser")
	}
	return pauser
}

func pauseSources(s *stage) {
	c := s.open()
	pauser := c.pauser()
	s.spread(6, 3)

	for _, m := range c.work(6) {
		if sources := pauser.Sources(); !slices.Contains(sources, m.Source) {
			s.Fatalf("the source %v of message %q is none of the consumer's, %v", m.Source, m.ID, sources)
		}
	}
}

func pausePaused(s *stage) {
	c := s.open()
	pauser := c.pauser()
	first := s.send(s.message("k"))
	mm := c.takeOrdered(first...)
	source := mm[0].Source

	pauser.Pause(source)
	ids := s.send(s.messages("k", 3)...)
	c.none("the source is paused") // and a Receive is under way
	c.settle(async.Ack, mm...)
	c.none("the source is paused, and a message of it was settled")
	pauser.Resume(source)

	if got := idsOf(c.work(len(ids))); !slices.Equal(got, ids) {
		s.Errorf("after the source was resumed: got %v, want %v", got, ids)
	}
	c.none("all messages are acknowledged")
}
