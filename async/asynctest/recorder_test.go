package asynctest

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a testing.TB that notes failures instead of failing the test around it.
type recorder struct {
	testing.TB
	mu    sync.Mutex
	fails []string
	skip  string
}

func (r *recorder) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = append(r.fails, text)
}

func (r *recorder) Helper()                        {}
func (r *recorder) Fail()                          { r.note("failed") }
func (r *recorder) Error(args ...any)              { r.note(fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, a ...any) { r.note(fmt.Sprintf(format, a...)) }
func (r *recorder) Fatal(args ...any)              { r.Error(args...); runtime.Goexit() }
func (r *recorder) Fatalf(format string, a ...any) { r.Errorf(format, a...); runtime.Goexit() }
func (r *recorder) FailNow()                       { r.Fail(); runtime.Goexit() }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.fails) > 0
}

// record plays one case in a bubble and returns what it found fault with.
func record(t *testing.T, s *suite, c conformanceCase) *recorder {
	t.Helper()
	r := &recorder{}
	synctest.Test(t, func(t *testing.T) {
		r.TB = t
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.play(r, c, func(reason string) { r.skip = reason; runtime.Goexit() })
		}()
		<-done
		time.Sleep(48 * time.Hour) // whatever the wrong broker left behind ends by then
	})
	return r
}

func TestOptionsThatMakeNoSenseAreSaid(t *testing.T) {
	t.Parallel()
	_, err := newSuite(async.Traits{}, nil, []OptionFunc{WithPatience(0), nil, WithQuiet(-time.Second), Without("a case", "")})
	if err == nil {
		t.Fatal("got nil, want an error")
	}
	for _, part := range []string{
		"asynctest: ", "the maker of the harness is nil", "patience 0s: want above 0", "option 1 is nil", "quiet -1s: want above 0",
		`without case "a case", because ""`,
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to say %q", err, part)
		}
	}
}

func TestACaseThatIsToBeLeftOutMustBeOne(t *testing.T) {
	t.Parallel()
	const known, unknown = "receive gives every message once", "receive gives every message twice"
	s, err := newSuite(async.Traits{}, func(testing.TB) Harness { return nil }, []OptionFunc{Without(known, "slow"), Without(unknown, "slow")})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.misnamed(consumerCases()); len(got) != 1 || got[0] != unknown {
		t.Errorf("got %q, want %q", got, unknown)
	}
}

func TestTraitsThatWereNotStatedAreFound(t *testing.T) {
	t.Parallel()
	s := wrongSuite(t, outliving, &tamper{})
	s.traits.Redelivers = false
	r := record(t, s, allCases()[0])
	if len(r.fails) != 1 || !strings.Contains(r.fails[0], "traits of the factory") {
		t.Errorf("got %v, want the traits named", r.fails)
	}
}
