package sarama_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
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

// mostStill is how long the lowest committed offset of a group may stand still while members come and go.
const mostStill = 10 * time.Second

// offsets returns the lowest of what the group has committed, of the partitions that have messages, and whether that is all.
func offsets(ctx context.Context, admin *kadm.Client, h *harness) (lowest int64, all bool, err error) {
	ends, err := admin.ListEndOffsets(ctx, h.topic)
	if err != nil {
		return 0, false, err
	}
	committed, err := admin.FetchOffsetsForTopics(ctx, h.group, h.topic)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has joined it yet
		return 0, false, err
	}
	lowest, all = math.MaxInt64, true
	for number, end := range ends[h.topic] {
		if end.Offset == 0 {
			continue // no key is there
		}
		at := int64(0)
		if o, ok := committed.Lookup(h.topic, number); ok {
			at = max(at, o.At)
		}
		lowest, all = min(lowest, at), all && at == end.Offset
	}
	return lowest, all, nil
}

// still watches the lowest committed offset until everything is committed or ctx ends, and returns how long it stood still at most.
func still(ctx context.Context, t *testing.T, admin *kadm.Client, h *harness, sent <-chan struct{}) time.Duration {
	t.Helper()
	longest, last, since := time.Duration(0), int64(0), time.Now()
	for ctx.Err() == nil {
		lowest, all, err := offsets(ctx, admin, h)
		if err != nil {
			t.Errorf("committed offsets: %v", err)
			break
		}
		if lowest == math.MaxInt64 {
			lowest = 0
		}
		if lowest > last || last == 0 { // it counts from when the group is at work
			last, since = lowest, time.Now()
		}
		select {
		case <-sent:
			if all {
				return longest
			}
		default:
		}
		longest = max(longest, time.Since(since))
		pause(ctx, 100*time.Millisecond)
	}
	return longest
}

// TestNothingIsLostOrOvertakenWhileMembersComeAndGo has members that leave, are thrown out, rejoin and die, while messages are sent. What comes again must
// come in the order of its key, too.
func TestNothingIsLostOrOvertakenWhileMembersComeAndGo(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t, "orders")
	h := shape{options: []sarama.OptionFunc{sarama.WithSession(time.Second)}}.harness(t, cluster.ListenAddrs(), "orders", "billing", cluster.Close)
	storm(t, h, 40, true)
}

// On a real Kafka nobody dies in the storm: a session lasts 6 s there, for as long as which nothing of the dead goes on.
func TestNothingIsLostOrOvertakenWhileMembersComeAndGoOnRealKafka(t *testing.T) {
	t.Parallel()
	h, ok := shape{}.real(brokers(t))(t).(*harness)
	if !ok {
		t.Fatal("no harness")
	}
	storm(t, h, 100, false)
}

func storm(t *testing.T, h *harness, each int, deadly bool) {
	t.Helper()
	const keys, members = 8, 3
	defer h.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(h.brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s := &seen{times: make(map[string]int), last: make(map[string]int)}

	var wg sync.WaitGroup
	sent := make(chan struct{})
	wg.Go(func() {
		defer close(sent)
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
			for {
				select {
				case <-done:
					return
				default:
					live(ctx, t, h, s, random, deadly, done)
				}
			}
		})
	}
	stood := still(ctx, t, kadm.NewClient(client), h, sent)
	close(done)
	wg.Wait()
	if stood > mostStill {
		t.Errorf("the lowest committed offset stood still for %v, want at most %v", stood, mostStill)
	}
	if n := s.count(); n != keys*each {
		t.Errorf("%d messages of %d were handled", n, keys*each)
	}
	if len(s.wrong) > 0 {
		t.Errorf("messages came for the first time before those in front of them: %v", s.wrong)
	}
	t.Logf("%d messages; the lowest committed offset stood still for %v at most", keys*each, stood)
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
func live(ctx context.Context, t *testing.T, h *harness, s *seen, random *rand.Rand, deadly bool, done <-chan struct{}) {
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
	lasts := time.Duration(2000+random.IntN(2000)) * time.Millisecond // of three members one comes or goes every 500 ms
	if deadly {
		lasts /= 4
	}
	life, end := context.WithTimeout(ctx, lasts)
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
	if deadly && random.IntN(2) == 0 {
		member.Kill()
		return
	}
	if err := c.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}
