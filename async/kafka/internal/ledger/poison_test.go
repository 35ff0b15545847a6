package ledger

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// service is a consumer whose handlers are much faster than a commit, on a partition where some messages take the process down.
type service struct {
	t           *testing.T
	random      *rand.Rand
	messages    int
	concurrency int
	lag         int // messages that are finished while a commit is under way
	most        int // starts of one message
	poison      map[int64]bool
	stored      Commit
	crashes     int
	dead        []int64
	commits     int
}

// run is the life of one process. It reports false if that ended too early.
func (s *service) run() bool {
	l := New(Start{Position: s.stored.Position, Epoch: s.stored.Epoch, Metadata: s.stored.Metadata})
	var set Set
	set.Add(l)
	type message struct {
		offset int64
		starts int
	}
	var waiting []message
	next := max(s.stored.Position, 0)
	var flight []Commit
	landing := 0
	for l.Position() < int64(s.messages) {
		for next < int64(s.messages) && !l.Full() {
			starts, a := l.Take(next, 0)
			if a == Later {
				break
			}
			if a == Given {
				waiting = append(waiting, message{next, starts})
			}
			next++
		}
		if cc := set.Next(); len(cc) > 0 {
			flight, landing = slices.Clone(cc), s.lag
			s.commits++
		}
		if landing--; set.Flying() && (landing <= 0 || len(waiting) == 0) {
			s.stored = flight[0]
			set.Done()
		}
		if len(waiting) == 0 {
			continue
		}
		i := s.random.IntN(min(s.concurrency, len(waiting)))
		m := waiting[i]
		waiting = slices.Delete(waiting, i, i+1)
		switch {
		case m.starts >= s.most:
			s.dead = append(s.dead, m.offset)
		case s.poison[m.offset]:
			s.crashes++
			return false
		}
		l.Settle(m.offset)
	}
	return true
}

func TestAMessageThatTakesItsProcessDownIsFoundAfterFewCrashesWhereverItIs(t *testing.T) {
	t.Parallel()
	const most = 3
	for _, concurrency := range []int{1, 8} {
		for _, lag := range []int{1, 20, 700} {
			for _, at := range []int64{0, 1, 2, 3, 7, 100, 1500, 4999} {
				s := &service{
					t: t, random: rand.New(rand.NewPCG(1, uint64(at))), messages: 5000, concurrency: concurrency, lag: lag, most: most,
					poison: map[int64]bool{at: true}, stored: Commit{Position: Unknown},
				}
				for !s.run() {
					if s.crashes > most+2 {
						t.Fatalf("concurrency %d, %d messages to a commit, poison at %d: %d crashes, want at most %d", concurrency, lag, at, s.crashes, most+2)
					}
				}
				if !slices.Equal(s.dead, []int64{at}) {
					t.Errorf("concurrency %d, %d messages to a commit, poison at %d: dead are %v", concurrency, lag, at, s.dead)
				}
			}
		}
	}
}

func TestSeveralThatTakeTheProcessDownAreAllFoundAndNoOther(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := &service{
			t: t, random: random, messages: 2000, concurrency: 1 + random.IntN(8), lag: 1 + random.IntN(300), most: 3,
			poison: map[int64]bool{}, stored: Commit{Position: Unknown},
		}
		var want []int64
		for range 1 + random.IntN(10) {
			at := random.Int64N(2000)
			if !s.poison[at] {
				s.poison[at] = true
				want = append(want, at)
			}
		}
		for !s.run() {
			if s.crashes > 5*len(want) {
				t.Fatalf("seed %d: %d crashes for %d messages", seed, s.crashes, len(want))
			}
		}
		slices.Sort(want)
		slices.Sort(s.dead)
		if !slices.Equal(s.dead, want) {
			t.Errorf("seed %d: dead are %v, want %v", seed, s.dead, want)
		}
	}
}

func TestACrashThatNoMessageIsGuiltyOfCostsFewCommitsAndNoMessage(t *testing.T) {
	t.Parallel()
	s := &service{t: t, random: rand.New(rand.NewPCG(1, 1)), messages: 4000, concurrency: 4, lag: 1 << 20, most: 3, stored: Commit{Position: Unknown}}
	l := New(Start{Position: 0})
	var set Set
	set.Add(l)
	l.Take(0, 0)
	s.stored = set.Next()[0] // open, and then the machine is switched off
	if !s.run() {
		t.Fatal("it crashed")
	}
	if s.commits > 24 || len(s.dead) > 0 {
		t.Errorf("got %d commits and dead %v, want at most 24 and none", s.commits, s.dead)
	}
}
