package jaeger

import (
	"context"
	"encoding/binary"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// started reports whether s starts a trace with the given ID.
func started(s sdktrace.Sampler, id uint64) bool {
	p := sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: oteltrace.TraceID{15: 1}}
	binary.BigEndian.PutUint64(p.TraceID[8:], id)
	return s.ShouldSample(p).Decision == sdktrace.RecordAndSample
}

func mustSampler(tb testing.TB, typ string, param float64) sdktrace.Sampler {
	tb.Helper()
	s, err := NewSampler(typ, param)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestNewSamplerRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		typ   string
		param float64
		want  string
	}{
		"const between":          {"const", 0.5, "sampler const: parameter 0.5: want 0 or 1"},
		"probability above 1":    {"probabilistic", 1.5, "sampler probabilistic: parameter 1.5: want 0 to 1"},
		"probability below 0":    {"probabilistic", -0.1, "parameter -0.1: want 0 to 1"},
		"probability not number": {"probabilistic", math.NaN(), "parameter NaN: want 0 to 1"},
		"rate below 0":           {"ratelimiting", -1, "sampler ratelimiting: parameter -1: want traces per second, 0 or more"},
		"rate infinite":          {"ratelimiting", math.Inf(1), "parameter +Inf"},
		"rate not a number":      {"ratelimiting", math.NaN(), "parameter NaN"},
		"remote":                 {"remote", 0.1, `sampler "remote" is not available yet: want const, probabilistic or ratelimiting`},
		"unknown":                {"adaptive", 1, `unknown sampler "adaptive": want const, probabilistic or ratelimiting`},
		"empty":                  {"", 1, `unknown sampler "": want const, probabilistic or ratelimiting`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := NewSampler(tc.typ, tc.param)
			if s != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("NewSampler(%q, %v): got %v, %v, want an error with %q", tc.typ, tc.param, s, err, tc.want)
			}
		})
	}
}

func TestSamplersFollowTheParent(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]sdktrace.Sampler{
		"const 0":         mustSampler(t, "const", 0),
		"const 1":         mustSampler(t, "CONST", 1),
		"probabilistic 0": mustSampler(t, "probabilistic", 0),
		"probabilistic 1": mustSampler(t, "Probabilistic", 1),
		"ratelimiting 0":  mustSampler(t, "ratelimiting", 0),
		"ratelimiting 1":  mustSampler(t, "ratelimiting", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 10 {
				for _, remote := range []bool{false, true} {
					for flags, want := range map[oteltrace.TraceFlags]sdktrace.SamplingDecision{0: sdktrace.Drop, 1: sdktrace.RecordAndSample} {
						parent := oteltrace.ContextWithSpanContext(t.Context(), spanContext(1, 1, flags).WithRemote(remote))
						got := s.ShouldSample(sdktrace.SamplingParameters{ParentContext: parent, TraceID: oteltrace.TraceID{1}}).Decision
						if got != want {
							t.Errorf("parent sampled %d, remote %t: got %d, want %d", flags, remote, got, want)
						}
					}
				}
			}
		})
	}
}

func TestSamplersStartTraces(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		typ      string
		param    float64
		min, max int // of 10 000
	}{
		"const 0":            {"const", 0, 0, 0},
		"const 1":            {"const", 1, 10_000, 10_000},
		"probabilistic 0":    {"probabilistic", 0, 0, 0},
		"probabilistic 0.25": {"probabilistic", 0.25, 2490, 2510},
		"probabilistic 1":    {"probabilistic", 1, 10_000, 10_000},
		"ratelimiting 0":     {"ratelimiting", 0, 0, 0},
		"ratelimiting 1e12":  {"ratelimiting", 1e12, 10_000, 10_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustSampler(t, tc.typ, tc.param)
			var n int
			for i := range uint64(10_000) {
				if started(s, i*(math.MaxUint64/10_000)) {
					n++
				}
			}
			if n < tc.min || n > tc.max {
				t.Errorf("got %d of 10000, want %d to %d", n, tc.min, tc.max)
			}
		})
	}
}

func TestRateLimiterKeepsItsRate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rate                         float64
		burst, afterAHour, afterADay int
	}{
		"100 a second":        {100, 100, 100 + 3600*100, 100},
		"3 a second":          {3, 3, 3 + 3600*3, 3},
		"one a second":        {1, 1, 1 + 3600, 1},
		"one in ten seconds":  {0.1, 1, 1 + 360, 1},
		"one in ten thousand": {0.0001, 1, 1, 1},
		"one in ever":         {math.SmallestNonzeroFloat64, 1, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := mustSampler(t, "ratelimiting", tc.rate)
				take := func() (n int) {
					for started(s, 1) {
						n++
					}
					return n
				}

				n := take()
				if n != tc.burst {
					t.Errorf("at once: got %d, want %d", n, tc.burst)
				}
				for range 36_000 {
					time.Sleep(100 * time.Millisecond)
					n += take()
				}
				if n != tc.afterAHour {
					t.Errorf("after an hour: got %d, want %d", n, tc.afterAHour)
				}

				time.Sleep(24 * time.Hour)
				if n := take(); n != tc.afterADay {
					t.Errorf("after a silent day: got %d, want %d", n, tc.afterADay)
				}
			})
		})
	}
}

func TestRateLimiterUnderConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := mustSampler(t, "ratelimiting", 50)
		var n atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 100 {
					if started(s, 1) {
						n.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if n.Load() != 50 {
			t.Errorf("got %d, want 50", n.Load())
		}
	})
}

func TestRateLimiterDoesNotAllocate(t *testing.T) { // not parallel: it counts allocations
	r := newRateLimiter(10)
	p := sdktrace.SamplingParameters{ParentContext: t.Context()}
	if got := testing.AllocsPerRun(100, func() { r.ShouldSample(p) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
	if got, want := r.Description(), "RateLimiting{10}"; got != want {
		t.Errorf("description: got %q, want %q", got, want)
	}
}
