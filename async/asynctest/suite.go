package asynctest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
)

// OptionFunc sets one option of a suite. It checks its value.
type OptionFunc func(*suite) error

type suite struct {
	traits   async.Traits
	make     func(testing.TB) Harness
	virtual  bool
	patience time.Duration
	quiet    time.Duration
	without  map[string]string // case → why it is not played
}

// Without leaves a case out, given by its name, and says why in its place: for an imitation of a broker that cannot do what the broker can. It is not for what
// a driver cannot do, which the traits say.
func Without(name, why string) OptionFunc {
	return func(s *suite) error {
		if name == "" || why == "" {
			return fmt.Errorf("without case %q, because %q: want a name and a reason", name, why)
		}
		if s.without == nil {
			s.without = make(map[string]string)
		}
		s.without[name] = why
		return nil
	}
}

// WithVirtualTime runs each case in a bubble of testing/synctest: for a broker that lives in this process, does no input or output, and is made within the
// case. Delays then take no time, and rates are measured exactly.
func WithVirtualTime() OptionFunc {
	return func(s *suite) error {
		s.virtual, s.quiet, s.patience = true, time.Minute, 10*time.Minute
		return nil
	}
}

// WithPatience sets how long a case waits for what must happen before it fails. The default is 30 s.
func WithPatience(d time.Duration) OptionFunc {
	return func(s *suite) error {
		if d <= 0 {
			return fmt.Errorf("patience %v: want above 0", d)
		}
		s.patience = d
		return nil
	}
}

// WithQuiet sets how long a case watches that something does not happen. It never makes a good driver fail; the longer it is, the more it finds. The
// default is 500 ms.
func WithQuiet(d time.Duration) OptionFunc {
	return func(s *suite) error {
		if d <= 0 {
			return fmt.Errorf("quiet %v: want above 0", d)
		}
		s.quiet = d
		return nil
	}
}

// Run runs the conformance suite for consumers against the brokers that newHarness makes, one for each case. It drives them directly where the contract of
// async.Consumer is finer than the engine shows, and through the engine for everything else.
//
// The traits of the factory must be those that are given, and decide which cases apply: so a driver cannot claim less without a change that is seen. Cases
// that do not apply are skipped, each with its reason.
func Run(t *testing.T, traits async.Traits, newHarness func(testing.TB) Harness, oo ...OptionFunc) {
	t.Helper()
	run(t, traits, newHarness, consumerCases(), oo)
}

// RunProducer runs the conformance suite for producers. Its consumers are those of the harness.
func RunProducer(t *testing.T, traits async.Traits, newHarness func(testing.TB) Harness, oo ...OptionFunc) {
	t.Helper()
	run(t, traits, newHarness, producerCases(), oo)
}

// RunDeadLetters runs the conformance suite for the dead letters of a driver: its factory must be an async.DeadLetterKeeper. The letters are written by
// rejections of the consumers of the harness, and replayed with its producers.
func RunDeadLetters(t *testing.T, traits async.Traits, newHarness func(testing.TB) Harness, oo ...OptionFunc) {
	t.Helper()
	run(t, traits, newHarness, letterCases(), oo)
}

func run(t *testing.T, traits async.Traits, newHarness func(testing.TB) Harness, cases []conformanceCase, oo []OptionFunc) {
	t.Helper()
	s, err := newSuite(traits, newHarness, oo)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range s.misnamed(cases) {
		t.Errorf("without case %q: there is none with this name", name)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if reason := cmp.Or(c.excluded(traits), s.without[c.name]); reason != "" {
				t.Skip(reason)
			}
			if !s.virtual {
				s.play(t, c, func(reason string) { t.Skip(reason) })
				return
			}
			// A skip within the bubble would not be seen outside of it.
			skip := ""
			synctest.Test(t, func(t *testing.T) {
				s.play(t, c, func(reason string) { skip = reason; t.SkipNow() })
			})
			if skip != "" {
				t.Skip(skip)
			}
		})
	}
}

func newSuite(traits async.Traits, newHarness func(testing.TB) Harness, oo []OptionFunc) (*suite, error) {
	s := &suite{traits: traits, make: newHarness, patience: 30 * time.Second, quiet: 500 * time.Millisecond}
	var errs []error
	if newHarness == nil {
		errs = append(errs, errors.New("the maker of the harness is nil"))
	}
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(s))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("asynctest: %w", err)
	}
	return s, nil
}

// misnamed returns what is to be left out and is no case.
func (s *suite) misnamed(cases []conformanceCase) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.without)), func(name string) bool {
		return slices.ContainsFunc(cases, func(c conformanceCase) bool { return c.name == name })
	})
}

// conformanceCase is one behaviour, and the name says which.
type conformanceCase struct {
	name string
	// applies says why the case does not apply to a broker with traits t, or "".
	applies func(t async.Traits) string
	run     func(s *stage)
}

func (c *conformanceCase) excluded(t async.Traits) string {
	if c.applies == nil {
		return ""
	}
	return c.applies(t)
}

// play sets the stage for c, runs it and clears up. A case that cannot be played ends with skip, which does not return.
func (s *suite) play(tb testing.TB, c conformanceCase, skip func(reason string)) {
	tb.Helper()
	st := newStage(tb, s)
	st.skip = skip
	defer st.clear()
	c.run(st)
}

// The conditions of cases.

func ordered(t async.Traits) string {
	if t.Ordered == async.OrderedNone {
		return "the broker has no order"
	}
	return ""
}

func orderedGroup(t async.Traits) string {
	if t.Ordered != async.OrderedGroup {
		return "the broker has no order among consumers"
	}
	return ""
}

func redelivers(t async.Traits) string {
	if !t.Redelivers {
		return "the broker does not give a message again while its consumer lives"
	}
	return ""
}

func delays(t async.Traits) string {
	if t.MaxDelay == 0 {
		return "the broker cannot delay"
	}
	if t.DelaysOffLane {
		return ""
	}
	return redelivers(t)
}

func delaysInOrder(t async.Traits) string {
	if t.DelaysOffLane {
		return "what is delayed leaves the order of its lane"
	}
	return delays(t)
}

func keyLanes(t async.Traits) string {
	if t.SourceLanes {
		return "a lane is a whole source"
	}
	return ordered(t)
}

func sourceLanes(t async.Traits) string {
	if !t.SourceLanes {
		return "a lane is not a whole source"
	}
	return ordered(t)
}

func deadLetters(t async.Traits) string {
	if !t.DeadLetters {
		return "the broker has no dead letter"
	}
	return ""
}

func volatile(t async.Traits) string {
	if !t.Volatile {
		return "the broker outlives its consumers"
	}
	return ""
}

func outlives(t async.Traits) string {
	if t.Volatile {
		return "the broker dies with the process, so a stop drains it"
	}
	return ""
}

func leases(t async.Traits) string {
	if t.Visibility == 0 {
		return "messages have no visibility time"
	}
	return ""
}

// all joins conditions.
func all(conditions ...func(async.Traits) string) func(async.Traits) string {
	return func(t async.Traits) string {
		for _, c := range conditions {
			if reason := c(t); reason != "" {
				return reason
			}
		}
		return ""
	}
}
