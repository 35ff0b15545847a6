package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// fakeService answers orders without a network, so that a run takes virtual time.
type fakeService struct {
	answer func(o *Order) (status int, err error) // nil: 202
	takes  func(o *Order) time.Duration           // nil: no time

	mu      sync.Mutex // guards the fields below
	began   time.Time
	came    []arrival
	now     map[string]int // by customer: orders on the wire
	all     int
	most    int      // the largest all
	overlap []string // customers with two orders on the wire
}

// arrival is a request.
type arrival struct {
	invoice, customer string
	at                time.Duration // since the beginning
}

func (s *fakeService) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var o Order
	if err := json.Unmarshal(body, &o); err != nil {
		return nil, err
	}
	s.enter(&o)
	defer s.leave(&o)
	if s.takes != nil {
		time.Sleep(s.takes(&o))
	}
	status := http.StatusAccepted
	if s.answer != nil {
		if status, err = s.answer(&o); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
}

func (s *fakeService) enter(o *Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = append(s.came, arrival{o.Invoice, o.Customer, time.Since(s.began)})
	s.all++
	s.most = max(s.most, s.all)
	if s.now[o.Customer]++; o.Customer != "" && s.now[o.Customer] > 1 {
		s.overlap = append(s.overlap, o.Customer)
	}
}

func (s *fakeService) leave(o *Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	s.now[o.Customer]--
}

// newFakeLoad returns a loader of the lines "customer invoice", in a bubble, that posts to the service.
func newFakeLoad(s *fakeService, lines []string, repeat, rate int) *Loader {
	var feed []feedOrder
	for _, line := range lines {
		customer, invoice, _ := strings.Cut(line, " ")
		o := feedOrder{invoice: invoice, customer: customer}
		o.body = fmt.Appendf(nil, `{"invoice":%q,"customer":%q}`, invoice, customer)
		o.fields = map[string]json.RawMessage{"invoice": fmt.Appendf(nil, "%q", invoice), "customer": fmt.Appendf(nil, "%q", customer)}
		feed = append(feed, o)
	}
	s.began, s.now = time.Now(), make(map[string]int)
	l := NewLoader(feed, repeat, rate)
	l.client = &http.Client{Transport: s}
	return l
}

func TestOrdersOfACustomerArePostedOneAfterAnother(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		customers := rapid.IntRange(1, 12).Draw(rt, "customers")
		orders := rapid.IntRange(1, 150).Draw(rt, "orders")
		repeat := rapid.IntRange(1, 3).Draw(rt, "repeat")
		rate := rapid.SampledFrom([]int{0, 100, 5000}).Draw(rt, "rate")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		var lines []string
		for i := range orders {
			customer := ""
			if c := r.IntN(customers + 1); c > 0 {
				customer = fmt.Sprint("c", c)
			}
			lines = append(lines, fmt.Sprint(customer, " ", i))
		}
		times := make([]time.Duration, orders*repeat)
		for i := range times {
			times[i] = time.Duration(r.IntN(20)) * time.Millisecond
		}
		synctest.Test(t, func(*testing.T) {
			next := 0
			var mu sync.Mutex // guards next
			s := &fakeService{takes: func(*Order) time.Duration {
				mu.Lock()
				defer mu.Unlock()
				next++
				return times[next-1]
			}}
			l := newFakeLoad(s, lines, repeat, rate)

			l.Post(context.Background(), "http://shop")

			if len(s.came) != orders*repeat || l.Report().Sent != orders*repeat || l.Err() != nil {
				rt.Fatalf("%d posted, %+v, %v, want %d", len(s.came), l.Report(), l.Err(), orders*repeat)
			}
			if len(s.overlap) > 0 || s.most > connections {
				rt.Fatalf("customers %v had two orders on the wire; %d at a time, want at most %d", s.overlap, s.most, connections)
			}
			last := make(map[string]int)
			for _, a := range s.came {
				var n, pass int
				fmt.Sscanf(strings.Replace(a.invoice, "r", " ", 1), "%d %d", &n, &pass)
				if n += pass * orders; a.customer != "" && n < last[a.customer] {
					rt.Fatalf("order %s of %s was posted after a later one", a.invoice, a.customer)
				}
				last[a.customer] = max(last[a.customer], n)
			}
		})
	})
}

func TestLoadUsesAllConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		for i := range 160 {
			lines = append(lines, fmt.Sprintf("c%d %d", i, i))
		}
		s := &fakeService{takes: func(*Order) time.Duration { return time.Second }}
		l := newFakeLoad(s, lines, 1, 0)

		l.Post(t.Context(), "http://shop")

		if took := time.Since(s.began); s.most != 16 || took != 10*time.Second {
			t.Errorf("got %d at a time, %v for 160 orders of a second each, want 16 and 10s", s.most, took)
		}
	})
}

func TestOneSlowCustomerHoldsNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		for i := range 40 {
			lines = append(lines, fmt.Sprint("slow ", i), fmt.Sprintf("c%d %d", i, 100+i))
		}
		s := &fakeService{takes: func(o *Order) time.Duration {
			if o.Customer == "slow" {
				return time.Minute
			}
			return time.Millisecond
		}}
		l := newFakeLoad(s, lines, 1, 0)

		l.Post(t.Context(), "http://shop")

		for _, a := range s.came {
			if a.customer != "slow" && a.at > time.Second {
				t.Errorf("order %s of %s came after %v", a.invoice, a.customer, a.at)
			}
		}
	})
}

func TestRateIsSpreadEvenly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &fakeService{takes: func(*Order) time.Duration { return 5 * time.Millisecond }}
		l := newFakeLoad(s, []string{"a 1", "b 2", " 3", "d 4", "e 5"}, 10, 50)

		l.Post(t.Context(), "http://shop")

		if len(s.came) != 50 {
			t.Fatalf("got %d orders, want 50", len(s.came))
		}
		for i, a := range s.came {
			if want := time.Duration(i) * 20 * time.Millisecond; a.at != want {
				t.Errorf("order %d came after %v, want %v", i, a.at, want)
			}
		}
	})
}

func TestRateThatCannotBeKeptIsCaughtUpWith(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		for i := range 100 {
			lines = append(lines, fmt.Sprint("a ", i))
		}
		s := &fakeService{takes: func(o *Order) time.Duration {
			if o.Invoice == "0" {
				return time.Second // in which 50 more are due
			}
			return 0
		}}
		l := newFakeLoad(s, lines, 1, 50)

		l.Post(t.Context(), "http://shop")

		if took := time.Since(s.began); took != 99*20*time.Millisecond {
			t.Errorf("100 orders at 50 a second took %v, want 1.98s", took)
		}
	})
}

func TestStopEndsThePostingAndWaitsForAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		for i := range 1000 {
			lines = append(lines, fmt.Sprintf("c%d %d", i%20, i))
		}
		s := &fakeService{takes: func(*Order) time.Duration { return time.Second }}
		l := newFakeLoad(s, lines, 1, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()

		l.Post(ctx, "http://shop")

		if took := time.Since(s.began); took != 3*time.Second || len(s.came) != 48 || l.Report().Sent != 48 {
			t.Errorf("got %d posted, %d answered in %v, want 48 in 3s", len(s.came), l.Report().Sent, took)
		}
	})
}

func TestAnswersThatShouldNotBeAreErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("gone")
		s := &fakeService{answer: func(o *Order) (int, error) {
			switch o.Invoice {
			case "1":
				return http.StatusOK, nil
			case "2":
				return http.StatusUnprocessableEntity, nil
			case "3":
				return http.StatusServiceUnavailable, nil
			case "4":
				return 0, gone
			}
			return http.StatusAccepted, nil
		}}
		l := newFakeLoad(s, []string{"a 1", "a 2", "a 3", "a 4", "a 5", "a 5"}, 1, 0)

		l.Post(t.Context(), "http://shop")

		got := l.Report()
		if got.Sent != 5 || got.Accepted != 2 || got.Refused != 1 {
			t.Errorf("got %v, want 5 sent, 2 accepted, 1 refused", got)
		}
		err := l.Err()
		if err == nil || !strings.Contains(err.Error(), `3 orders without a proper answer, the first: order "3": status 503`) {
			t.Errorf("got %v, want the 503, the error and the second 202 counted", err)
		}
	})
}

func TestWaitEndsWithTheLastEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &fakeService{}
		l := newFakeLoad(s, []string{"a 1", "b 2", "c 3"}, 1, 0)
		l.Finished(Finish{Invoice: "9", Status: Processed, Attempts: 4, Value: pence(99)}) // somebody else's
		l.Post(t.Context(), "http://shop")
		began := time.Now()
		waited := make(chan time.Duration, 1)
		go func() {
			l.Wait(t.Context())
			waited <- time.Since(began)
		}()

		for i, f := range []Finish{
			{Invoice: "2", Status: Dead, Attempts: 1, Value: pence(1000)},
			{Invoice: "1", Status: Processed, Attempts: 3, Value: pence(250)},
			{Invoice: "1", Status: Processed, Attempts: 9, Value: pence(250)},
			{Invoice: "3", Status: Processed, Attempts: 1, Value: pence(5)},
		} {
			time.Sleep(time.Second)
			f.At = began.Add(time.Duration(i+1) * time.Second)
			l.Finished(f)
		}

		if got := <-waited; got != 4*time.Second {
			t.Errorf("waited %v, want 4s", got)
		}
		want := Report{Sent: 3, Accepted: 3, Processed: 2, Dead: 1, Retried: 2, Value: pence(255), P50: 2 * time.Second, P99: 4 * time.Second}
		if diff := cmp.Diff(want, l.Report(), cmp.AllowUnexported(Money{})); diff != "" {
			t.Errorf("report (-want +got):\n%s", diff)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newFakeLoad(&fakeService{}, []string{"a 1", "b 2"}, 1, 0)
		l.Post(t.Context(), "http://shop")
		l.Finished(Finish{Invoice: "2", Status: Processed})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()

		l.Wait(ctx)

		if got := l.Report(); ctx.Err() == nil || got.Lost != 1 {
			t.Errorf("got %v, want 1 lost when time is over", got)
		}
	})
}

func TestEffectMayComeBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &fakeService{}
		l := newFakeLoad(s, []string{"a 1"}, 1, 0)
		s.answer = func(o *Order) (int, error) {
			l.Finished(Finish{Invoice: o.Invoice, Status: Processed, Attempts: 1, Value: pence(7), At: time.Now()})
			return http.StatusAccepted, nil
		}

		l.Post(t.Context(), "http://shop")
		l.Wait(t.Context())

		if got := l.Report(); got.Processed != 1 || got.Lost != 0 {
			t.Errorf("got %v, want it processed", got)
		}
	})
}

func TestQuantileIsTheNearestRank(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "n")
		q := rapid.SampledFrom([]float64{0.5, 0.99}).Draw(t, "q")
		times := make([]time.Duration, n)
		for i := range times {
			times[i] = time.Duration(i + 1)
		}

		got := quantile(times, q)

		if want := time.Duration(math.Ceil(q * float64(n))); got != want {
			t.Fatalf("quantile %v of 1 to %d: got %d, want %d", q, n, got, want)
		}
	})
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("of nothing: got %v, want 0", got)
	}
}

func TestProgressIsALineEverySecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		s := &fakeService{takes: func(*Order) time.Duration { return time.Second }}
		l := newFakeLoad(s, []string{"a 1", "a 2", "a 3"}, 1, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		posted := make(chan struct{})
		go func() {
			defer close(posted)
			l.Post(t.Context(), "http://shop")
		}()

		time.Sleep(time.Millisecond)
		showProgress(ctx, &b, l)
		<-posted

		want := "1 of 3 orders answered, 1 accepted, 0 of them finished\n2 of 3 orders answered, 2 accepted, 0 of them finished\n"
		if b.String() != want {
			t.Errorf("got\n%swant\n%s", b.String(), want)
		}
	})
}

func TestProgressBarIsAsLongAsTheWork(t *testing.T) {
	t.Parallel()
	l := NewLoader(make([]feedOrder, 4), 1, 0)
	for answers, want := range []string{
		"[........................................] 0 of 4", "[##########..............................] 1 of 4",
		"[####################....................] 2 of 4", "[##############################..........] 3 of 4",
		"[########################################] 4 of 4",
	} {
		l.answers = answers

		if got := progressBar(l); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
