package async_test

import (
	"testing"

	"github.com/beatlabs/patron/async"
)

func TestStartsOfAMessageThatWentBackAreKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attempt, deliveries int // when it went back
		again               int // deliveries when it came again
		want                int
	}{
		"released before it was started":      {0, 1, 2, 0},
		"released a second time":              {0, 2, 3, 0},
		"three tries in place":                {3, 1, 2, 3},
		"one start for each delivery":         {2, 2, 3, 2},
		"another process had it in between":   {3, 1, 3, 4},
		"the broker began to count anew":      {0, 5, 1, 0},
		"a message that was never given back": {0, 0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s async.Starts[string]
			if c.deliveries > 0 {
				s.Keep("m", &async.Message{Attempt: c.attempt, Deliveries: c.deliveries})
			}
			if got := s.Before("m", c.again); got != c.want {
				t.Errorf("got %d starts before delivery %d, want %d", got, c.again, c.want)
			}
			if got, want := s.Before("m", c.again+1), c.again; got != want {
				t.Errorf("what is not remembered any more: got %d, want %d", got, want)
			}
		})
	}
}

func TestStartsAreBounded(t *testing.T) {
	t.Parallel()
	var s async.Starts[int]
	for i := range 250_000 {
		s.Keep(i, &async.Message{Attempt: 5, Deliveries: 1})
	}
	kept := 0
	for i := range 250_000 {
		if s.Before(i, 2) == 5 {
			kept++
		}
	}
	if kept == 0 || kept > 100_000 {
		t.Errorf("%d of 250 000 are remembered, want some, at most 100 000", kept)
	}
}
