package sarama_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/sarama"
)

// seen is what was acknowledged, by key.
type seen struct {
	mu    sync.Mutex
	times map[string]int // of each message
	last  map[string]int // of each key, the highest number
	wrong []string
}

// note takes down that message n of key is handled.
func (s *seen) note(key string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := key + "-" + strconv.Itoa(n)
	s.times[id]++
	if s.times[id] == 1 && n != s.last[key]+1 {
		s.wrong = append(s.wrong, fmt.Sprintf("%s after %d", id, s.last[key]))
	}
	s.last[key] = max(s.last[key], n)
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

// TestNothingIsLostOrOvertakenWhileMembersComeAndGo has members that leave, are thrown out, rejoin and die, while messages are sent. What comes again must
// come in the order of its key, too.
func TestNothingIsLostOrOvertakenWhileMembersComeAndGo(t *testing.T) {
	t.Parallel()
	const keys, each, members = 8, 40, 3
	cluster := newCluster(t, "orders")
	defer cluster.Close()
	h := shape{options: []sarama.OptionFunc{sarama.WithSession(time.Second)}}.harness(t, cluster.ListenAddrs(), "orders", "billing", nil)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	s := &seen{times: make(map[string]int), last: make(map[string]int)}

	var wg sync.WaitGroup
	wg.Go(func() {
		p := h.Producer()
		for n := 1; n <= each; n++ {
			for k := range keys {
				m := &async.Message{Key: []byte("k" + strconv.Itoa(k)), Data: []byte(strconv.Itoa(n))}
				if err := p.Send(ctx, m); err != nil {
					t.Errorf("send: %v", err)
				}
			}
		}
		if err := p.Close(ctx); err != nil {
			t.Errorf("close producer: %v", err)
		}
	})
	done := make(chan struct{})
	for i := range members {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(i)))
			for life := 0; ; life++ {
				select {
				case <-done:
					return
				default:
					live(ctx, t, h, s, random, done)
				}
			}
		})
	}
	for s.count() < keys*each && ctx.Err() == nil {
		pause(ctx, 10*time.Millisecond)
	}
	close(done)
	wg.Wait()
	if n := s.count(); n != keys*each {
		t.Errorf("%d messages of %d were handled", n, keys*each)
	}
	if len(s.wrong) > 0 {
		t.Errorf("messages came for the first time before those in front of them: %v", s.wrong)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// live is the life of one member: it receives and acknowledges until something happens to it.
func live(ctx context.Context, t *testing.T, h *harness, s *seen, random *rand.Rand, done <-chan struct{}) {
	t.Helper()
	f, err := sarama.New(h.brokers, h.group, []string{h.topic}, append([]sarama.OptionFunc{
		sarama.WithHeartbeat(50 * time.Millisecond), sarama.WithRebalanceTimeout(2 * time.Second),
	}, h.options...)...)
	if err != nil {
		t.Error(err)
		return
	}
	c, err := f.Create(ctx)
	if err != nil {
		t.Logf("create: %v", err) // the engine would come again, too
		return
	}
	member := sarama.MemberOf(c)
	life, end := context.WithTimeout(ctx, time.Duration(200+random.IntN(800))*time.Millisecond)
	defer end()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-done:
			end()
		case <-stop:
		}
	}()
	for {
		mm, err := c.Receive(life, 5)
		if err != nil {
			break
		}
		ss := make([]async.Settlement, 0, len(mm))
		for _, m := range mm {
			if m.Claim.Lost() {
				continue
			}
			n, err := strconv.Atoi(string(m.Data))
			if err != nil {
				t.Errorf("message %q: %v", m.ID, err)
			}
			s.note(string(m.Key), n)
			ss = append(ss, async.Settlement{Message: m})
		}
		if err := c.Settle(ctx, ss); err != nil {
			t.Errorf("settle: %v", err)
		}
		switch random.IntN(40) {
		case 0:
			member.Rejoin(ctx)
		case 1:
			if err := member.ThrowOut(life); err != nil && ctx.Err() == nil {
				t.Logf("throw out: %v", err) // it was out already
			}
		}
	}
	if random.IntN(2) == 0 {
		member.Kill()
		return
	}
	if err := c.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}
