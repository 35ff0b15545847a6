package inboxtest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async/inbox"
)

// Harness is a store, and how to test it. Each case has one of its own.
type Harness struct {
	// Store is what is tested. It may hold entries of others, since every case makes keys of its own.
	Store inbox.Store
	// Unit is what the cases measure time in: leases and times to live are multiples of it. It is at least ten times what a call takes; 1 s if it is 0.
	Unit time.Duration
	// Pass lets d pass for the store. Nil: time.Sleep, for which [Bubble] must be on.
	Pass func(d time.Duration)
}

// OptionFunc changes how [Run] runs.
type OptionFunc func(*config)

type config struct{ bubble bool }

// Bubble runs each case in a bubble of testing/synctest: for stores whose time is that of the process, and that do no I/O.
func Bubble() OptionFunc { return func(c *config) { c.bubble = true } }

// Run runs every case against a store that open returns for it, each as a parallel subtest.
func Run(t *testing.T, open func(t *testing.T) Harness, oo ...OptionFunc) {
	t.Helper()
	var c config
	for _, o := range oo {
		o(&c)
	}
	for _, k := range cases() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			run := func(t *testing.T) {
				s := &stage{T: t, harness: open(t), name: t.Name() + strconv.FormatInt(time.Now().UnixNano(), 36)}
				if s.harness.Unit == 0 {
					s.harness.Unit = time.Second
				}
				k.run(s)
			}
			if c.bubble {
				synctest.Test(t, run)
			} else {
				run(t)
			}
		})
	}
}

type storeCase struct {
	name string
	run  func(s *stage)
}

func cases() []storeCase {
	return []storeCase{
		{"a message is begun, done, and then known", storeLife},
		{"what is done is forgotten after its time, counted from when it was done", storeForgets},
		{"what is in flight is neither begun nor done for others", storeInFlight},
		{"an owner that begins again has it still", storeBeginsAgain},
		{"what is abandoned can be begun at once", storeAbandons},
		{"a lease that is over lets others begin", storeLeaseEnds},
		{"a lease that is extended lasts", storeExtends},
		{"who is late owns nothing and takes nothing away", storeLate},
		{"done is done, also for who came meanwhile", storeDoneLate},
		{"of many that begin one does", storeRace},
		{"consumers have effects of their own", storeScope},
		{"an ID may be any bytes", storeBytes},
		{"an ended context does nothing", storeEnded},
	}
}

// stage is what a case works with.
type stage struct {
	*testing.T

	harness Harness
	name    string
	keys    int
}

func (s *stage) key() inbox.Key {
	s.keys++
	return inbox.Key{Consumer: s.name, ID: strconv.Itoa(s.keys)}
}

// units returns the time that a case calls n.
func (s *stage) units(n float64) time.Duration { return time.Duration(n * float64(s.harness.Unit)) }

func (s *stage) pass(n float64) {
	if s.harness.Pass == nil {
		<-time.After(s.units(n))
		return
	}
	s.harness.Pass(s.units(n))
}

// begins fails the case unless Begin returns want; it returns what is left of the lease.
func (s *stage) begins(key inbox.Key, owner string, lease float64, want inbox.State) time.Duration {
	s.Helper()
	got, left, err := s.harness.Store.Begin(s.Context(), key, owner, s.units(lease))
	if err != nil || got != want {
		s.Fatalf("Begin(%q, %s): got %v and error %v, want %v", key, owner, got, err, want)
	}
	return left
}

// does fails the case unless err is nil.
func (s *stage) does(what string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: got %v, want nil", what, err)
	}
}

// refuses fails the case unless err says that somebody is not the owner.
func (s *stage) refuses(what string, err error) {
	s.Helper()
	if !errors.Is(err, inbox.ErrNotOwner) {
		s.Fatalf("%s: got %v, want ErrNotOwner", what, err)
	}
}

func storeLife(s *stage) {
	key, other := s.key(), s.key()
	s.begins(key, "a", 100, inbox.Begun)
	s.does("Done", s.harness.Store.Done(s.Context(), key, s.units(100)))
	s.begins(key, "a", 100, inbox.Done)
	s.begins(key, "b", 100, inbox.Done)
	s.begins(other, "b", 100, inbox.Begun)
}

func storeForgets(s *stage) {
	key := s.key()
	s.begins(key, "a", 10, inbox.Begun)
	s.pass(4)
	s.does("Done", s.harness.Store.Done(s.Context(), key, s.units(10)))
	s.pass(8) // the lease would be over
	s.begins(key, "b", 10, inbox.Done)
	s.pass(4)
	s.begins(key, "b", 10, inbox.Begun)
}

func storeInFlight(s *stage) {
	key := s.key()
	s.begins(key, "a", 10, inbox.Begun)
	s.pass(4)
	if left := s.begins(key, "b", 10, inbox.InFlight); left <= 0 || left > s.units(6.5) {
		s.Errorf("left of a lease of %v after %v: got %v", s.units(10), s.units(4), left)
	}
	s.pass(4)
	s.begins(key, "b", 10, inbox.InFlight)
	s.refuses("Extend of another", s.harness.Store.Extend(s.Context(), key, "b", s.units(10)))
}

// Begin may have happened although its answer was lost.
func storeBeginsAgain(s *stage) {
	key := s.key()
	s.begins(key, "a", 10, inbox.Begun)
	s.pass(6)
	s.begins(key, "a", 10, inbox.Begun)
	s.pass(6)
	s.begins(key, "b", 10, inbox.InFlight)
}

func storeAbandons(s *stage) {
	key := s.key()
	s.begins(key, "a", 100, inbox.Begun)
	s.does("Abandon of another", s.harness.Store.Abandon(s.Context(), key, "b"))
	s.begins(key, "b", 100, inbox.InFlight)
	s.does("Abandon", s.harness.Store.Abandon(s.Context(), key, "a"))
	s.does("second Abandon", s.harness.Store.Abandon(s.Context(), key, "a"))
	s.begins(key, "b", 100, inbox.Begun)
	s.does("Done", s.harness.Store.Done(s.Context(), key, s.units(100)))
	s.does("Abandon of what is done", s.harness.Store.Abandon(s.Context(), key, "b"))
	s.begins(key, "b", 100, inbox.Done)
}

func storeLeaseEnds(s *stage) {
	key := s.key()
	s.begins(key, "a", 4, inbox.Begun)
	s.pass(6)
	s.begins(key, "b", 4, inbox.Begun)
	s.begins(key, "a", 4, inbox.InFlight)
}

func storeExtends(s *stage) {
	key := s.key()
	s.begins(key, "a", 10, inbox.Begun)
	for range 3 {
		s.pass(6)
		s.does("Extend", s.harness.Store.Extend(s.Context(), key, "a", s.units(10)))
	}
	s.pass(6)
	s.begins(key, "b", 10, inbox.InFlight)
	s.refuses("Extend of what is unknown", s.harness.Store.Extend(s.Context(), s.key(), "a", s.units(10)))
}

func storeLate(s *stage) {
	key := s.key()
	s.begins(key, "a", 4, inbox.Begun)
	s.pass(6)
	s.refuses("Extend of a lease that is over", s.harness.Store.Extend(s.Context(), key, "a", s.units(100)))
	s.begins(key, "b", 100, inbox.Begun)
	s.refuses("Extend of what another has", s.harness.Store.Extend(s.Context(), key, "a", s.units(100)))
	s.does("Abandon of what another has", s.harness.Store.Abandon(s.Context(), key, "a"))
	s.begins(key, "c", 100, inbox.InFlight)
}

func storeDoneLate(s *stage) {
	key := s.key()
	s.begins(key, "a", 4, inbox.Begun)
	s.pass(6)
	s.begins(key, "b", 100, inbox.Begun)
	s.does("Done by who is late", s.harness.Store.Done(s.Context(), key, s.units(100)))
	s.refuses("Extend of what is done", s.harness.Store.Extend(s.Context(), key, "b", s.units(100)))
	s.does("Abandon by who is in flight", s.harness.Store.Abandon(s.Context(), key, "b"))
	s.begins(key, "b", 100, inbox.Done)

	unknown := s.key()
	s.does("Done of what is forgotten", s.harness.Store.Done(s.Context(), unknown, s.units(100)))
	s.begins(unknown, "a", 100, inbox.Done)
}

func storeRace(s *stage) {
	const owners = 16
	for range 10 {
		key := s.key()
		var mu sync.Mutex
		var begun []string
		var all sync.WaitGroup
		for i := range owners {
			owner := strconv.Itoa(i)
			all.Go(func() {
				state, _, err := s.harness.Store.Begin(s.Context(), key, owner, s.units(1000))
				mu.Lock()
				defer mu.Unlock()
				if err != nil || state != inbox.Begun && state != inbox.InFlight {
					s.Errorf("Begin: got %v and error %v", state, err)
				}
				if state == inbox.Begun {
					begun = append(begun, owner)
				}
			})
		}
		all.Wait()
		if len(begun) != 1 {
			s.Errorf("%d of %d began: %v, want one", len(begun), owners, begun)
		}
	}
}

func storeScope(s *stage) {
	for _, keys := range [][2]inbox.Key{
		{{Consumer: s.name + "a", ID: "1"}, {Consumer: s.name + "b", ID: "1"}},
		{{Consumer: s.name + "a:b", ID: "c"}, {Consumer: s.name + "a", ID: "b:c"}},
		{{Consumer: s.name + "a/b", ID: "c"}, {Consumer: s.name + "a", ID: "b/c"}},
		{{Consumer: s.name + "A", ID: "2"}, {Consumer: s.name + "a", ID: "2"}},
		{{Consumer: s.name + "1", ID: "12"}, {Consumer: s.name + "11", ID: "2"}},
	} {
		s.begins(keys[0], "a", 100, inbox.Begun)
		s.begins(keys[1], "b", 100, inbox.Begun)
	}
}

func storeBytes(s *stage) {
	ids := []string{
		"x", "X", "x ", " x", "é", "e\u0301", "\x00", "\x00\x00", "\xff\xfe", "a\nb", "a\r\nb", "{x}", "x*", "x?", "'", `"`, `\`, "%", "_",
		strings.Repeat("l", inbox.MaxID), strings.Repeat("l", inbox.MaxID-1),
	}
	for _, id := range ids {
		s.begins(inbox.Key{Consumer: s.name, ID: id}, "a", 100, inbox.Begun)
	}
	for _, id := range slices.Backward(ids) {
		key := inbox.Key{Consumer: s.name, ID: id}
		s.begins(key, "b", 100, inbox.InFlight)
		s.does("Done", s.harness.Store.Done(s.Context(), key, s.units(100)))
		s.begins(key, "b", 100, inbox.Done)
	}
}

func storeEnded(s *stage) {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	key, known := s.key(), s.key()
	s.begins(known, "a", 100, inbox.Begun)
	_, _, err := s.harness.Store.Begin(ctx, key, "a", s.units(100))
	for what, err := range map[string]error{
		"Begin":   err,
		"Extend":  s.harness.Store.Extend(ctx, known, "a", s.units(100)),
		"Done":    s.harness.Store.Done(ctx, known, s.units(100)),
		"Abandon": s.harness.Store.Abandon(ctx, known, "a"),
	} {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s with an ended context: got %v, want its error", what, err)
		}
	}
	s.begins(key, "b", 100, inbox.Begun)
	s.begins(known, "b", 100, inbox.InFlight)
}
