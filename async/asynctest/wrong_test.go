package asynctest

import (
	"slices"
	"strings"
	"testing"

	"github.com/beatlabs/patron/internal/logtest"
)

// wrongBroker has one fault, which certain cases must find.
type wrongBroker struct {
	mode   mode
	tamper tamper
	log    logtest.Fault // if set, it is a log with this fault instead
	caught []string      // names of cases
}

// TestWrongBrokersAreFound plants one fault at a time into the memory broker. Each case that is named for it must fail.
func TestWrongBrokersAreFound(t *testing.T) {
	t.Parallel()
	for name, wrong := range wrongBrokers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := wrongSuite(t, wrong.mode, &wrong.tamper)
			if wrong.log != 0 {
				s = logSuite(t, wrong.log)
			}
			for _, title := range wrong.caught {
				c := caseNamed(t, title)
				if reason := c.excluded(s.traits); reason != "" {
					t.Errorf("case %q does not apply: %s", title, reason)
					continue
				}
				r := record(t, s, c)
				switch {
				case r.skip != "":
					t.Errorf("case %q was skipped: %s", title, r.skip)
				case !r.Failed():
					t.Errorf("case %q found nothing wrong", title)
				default:
					t.Logf("case %q: %s", title, strings.Join(r.fails, "; "))
				}
			}
		})
	}
}

// TestTheRightBrokerPasses shows that it is the faults that are found, not the way in which they are planted.
func TestTheRightBrokerPasses(t *testing.T) {
	t.Parallel()
	for m := range modes {
		s := wrongSuite(t, m, &tamper{})
		for _, c := range allCases() {
			if c.excluded(s.traits) != "" {
				continue
			}
			if r := record(t, s, c); r.Failed() {
				t.Errorf("mode %d, case %q: %s", m, c.name, strings.Join(r.fails, "; "))
			}
		}
	}
}

// TestEachCaseIsShownToFail holds the table of wrong brokers complete.
func TestEachCaseIsShownToFail(t *testing.T) {
	t.Parallel()
	shown := make(map[string]bool)
	for _, wrong := range wrongBrokers() {
		for _, title := range wrong.caught {
			shown[title] = true
		}
	}
	names := make(map[string]bool)
	for _, c := range allCases() {
		if names[c.name] {
			t.Errorf("two cases are named %q", c.name)
		}
		names[c.name] = true
		if !shown[c.name] {
			t.Errorf("no wrong broker is caught by case %q", c.name)
		}
	}
}

func allCases() []conformanceCase {
	return slices.Concat(consumerCases(), producerCases(), letterCases())
}

func caseNamed(t *testing.T, name string) conformanceCase {
	t.Helper()
	all := allCases()
	at := slices.IndexFunc(all, func(c conformanceCase) bool { return c.name == name })
	if at < 0 {
		t.Fatalf("there is no case %q", name)
	}
	return all[at]
}
