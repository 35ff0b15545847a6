package sqs

import (
	"testing"
	"time"
)

// However often its answer is lost, SQS knows a call for five minutes.
func TestALostCallIsMadeAgainUntilSQSForgetsIt(t *testing.T) {
	t.Parallel()
	var m memory
	end := time.Now().Add(lostCallTime)
	m.lose("call", end)

	id, upTo, ok := m.find(end.Add(-time.Nanosecond))
	if id != "call" || !upTo.Equal(end) || !ok {
		t.Fatalf("a moment before: got %q, %v, %v, want the call", id, upTo, ok)
	}
	m.lose(id, upTo)
	if id, _, ok := m.find(end); ok {
		t.Errorf("after five minutes: got %q, want none", id)
	}
}
