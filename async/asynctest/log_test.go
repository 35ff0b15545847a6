package asynctest

import (
	"context"
	"strings"
	"testing"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/internal/logtest"
)

// logHarness is a log of one partition.
type logHarness struct{ *logtest.Broker }

func (h logHarness) Close()                     {}
func (h logHarness) Revoke(ctx context.Context) { h.Rebalance(ctx) }

func (h logHarness) DeadLetters(context.Context) ([]*async.Message, error) {
	return h.Broker.DeadLetters(), nil
}

// logSuite is the suite for a log with a fault.
func logSuite(t *testing.T, fault logtest.Fault) *suite {
	t.Helper()
	harness := func(testing.TB) Harness { return logHarness{logtest.New("orders", 1, fault)} }
	s, err := newSuite(harness(t).Factory().Traits(), harness, []OptionFunc{WithVirtualTime()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTheRightLogPasses shows that a broker of the other kind, one that forgets nothing, passes as well.
func TestTheRightLogPasses(t *testing.T) {
	t.Parallel()
	s := logSuite(t, 0)
	for _, c := range consumerCases() {
		// What is behind a stuck key in its partition must be held to be reached, and there is more of it than may be held.
		if c.excluded(s.traits) != "" || c.name == "a stuck key leaves the others their rate" {
			continue
		}
		r := record(t, s, c)
		if r.Failed() {
			t.Errorf("case %q: %s", c.name, strings.Join(r.fails, "; "))
		}
		if strings.Contains(r.skip, "async.Seeker") || strings.Contains(r.skip, "async.Pauser") {
			t.Errorf("case %q was skipped: %s", c.name, r.skip)
		}
	}
}

// wrongLogs are wrong in what a queue cannot do.
func wrongLogs() map[string]wrongBroker {
	return map[string]wrongBroker{
		"seeks nowhere": {log: logtest.SeekNowhere, caught: []string{
			"a seek to the oldest gives everything again", "a seek to the newest passes what waits over",
			"a seek to a time begins with the first message that is not older", "a receive that blocks goes on from the position that was sought",
			"a seek that cannot be changes nothing", "a seek outlives the connection",
		}},
		"seeks the oldest, whatever is sought": {log: logtest.SeekOldest, caught: []string{
			"a seek to the newest passes what waits over", "a seek to a time begins with the first message that is not older",
		}},
		"passes over the message of the time that is sought": {log: logtest.SeekLater, caught: []string{
			"a seek to a time begins with the first message that is not older",
		}},
		"forgets a seek with the connection":    {log: logtest.SeekForgets, caught: []string{"a seek outlives the connection"}},
		"takes verdicts on what a seek dropped": {log: logtest.SeekKeeps, caught: []string{"what was held before a seek is no longer ours, and comes again"}},
		"ends claims for a seek that it refuses": {log: logtest.SeekEnds, caught: []string{
			"a seek that cannot be changes nothing",
		}},
		"cancels what runs for a seek":        {log: logtest.SeekLoses, caught: []string{"a seek lets what runs finish and drops what waits"}},
		"seeks when nothing runs any more":    {log: logtest.SeekWaits, caught: []string{"a seek cancels what runs when its time is over"}},
		"does not tell a receive of a seek":   {log: logtest.SeekSilently, caught: []string{"a receive that blocks goes on from the position that was sought"}},
		"does not pause":                      {log: logtest.PauseNothing, caught: []string{"a paused source gives nothing until it is resumed"}},
		"does not tell a receive of a resume": {log: logtest.ResumeSilently, caught: []string{"a paused source gives nothing until it is resumed"}},
		"tells of sources of which nothing comes": {log: logtest.SourcesOfTheirOwn, caught: []string{
			"the sources of a consumer are those of its messages",
		}},
	}
}
