package patron

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestASignalStopsTheServiceWithoutAnError(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTranscript()
				var cause error
				b := newBench(t, tr, WithComponents(&fake{name: "a", tr: tr, run: func(ctx context.Context) error {
					<-ctx.Done()
					cause = context.Cause(ctx)
					return nil
				}}))
				b.start()
				time.Sleep(time.Minute)
				b.send(s)
				b.wantEnd(time.Minute, "")
				if want := "signal: " + s.String(); textOf(cause) != want {
					t.Errorf("the cause: got %v, want %s", cause, want)
				}
				if b.signals != nil {
					t.Error("the service still listens for signals")
				}
			})
		})
	}
}

func TestTheHookForSIGHUPLeavesTheServiceRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithSIGHUP(func() { tr.addf("reload") }))
		b.start()
		time.Sleep(time.Second)
		b.send(syscall.SIGHUP)
		time.Sleep(time.Second)
		b.send(syscall.SIGHUP)
		b.send(syscall.SIGTERM)
		b.wantEnd(2*time.Second, "")
		tr.want(t, "1s reload", "2s reload")
	})
}

func TestAHookThatPanicsLeavesTheServiceRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithSIGHUP(func() { tr.addf("reload"); panic("no file") }))
		b.start()
		b.send(syscall.SIGHUP)
		time.Sleep(time.Second)
		b.send(syscall.SIGHUP)
		b.send(syscall.SIGTERM)
		b.wantEnd(time.Second, "")
		tr.want(t, "0s reload", "1s reload")
		logged := b.log.find("sighup hook panicked")
		if len(logged) != 2 || logged[0]["error"] != "panic: no file" {
			t.Errorf("the log says %v", logged)
		}
	})
}

func TestSignalsDuringTheHookLeadToOneMoreCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithSIGHUP(func() {
			tr.addf("reload")
			time.Sleep(10 * time.Second)
		}))
		b.start()
		for range 5 {
			b.send(syscall.SIGHUP)
		}
		time.Sleep(time.Minute)
		b.send(syscall.SIGTERM)
		b.wantEnd(time.Minute, "")
		tr.want(t, "0s reload", "10s reload")
	})
}

func TestASlowHookHoldsUpNoOtherSignal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr, WithSIGHUP(func() {
			tr.addf("reload")
			time.Sleep(10 * time.Second)
		}))
		b.start()
		b.send(syscall.SIGHUP)
		b.send(syscall.SIGHUP)
		time.Sleep(5 * time.Second)
		b.send(syscall.SIGTERM)
		b.wantEnd(10*time.Second, "") // the hook has the grace period, and is not called again
		tr.want(t, "0s reload")
	})
}

func TestAHookThatHangsIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		b := newBench(t, newTranscript(), WithSIGHUP(func() { <-over }))
		b.start()
		b.send(syscall.SIGHUP)
		b.send(syscall.SIGTERM)
		b.wantEnd(12500*time.Millisecond, "component SIGHUP hook: still running after the grace period")
		close(over)
	})
}

func TestWhichSignalForces(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stop    bool // by the context, before the signals
		signals []os.Signal
		forced  bool
	}{
		"SIGTERM twice":                                {signals: []os.Signal{syscall.SIGTERM, syscall.SIGTERM}, forced: true},
		"SIGINT after SIGTERM":                         {signals: []os.Signal{syscall.SIGTERM, syscall.SIGINT}, forced: true},
		"SIGTERM after the SIGHUP that stopped":        {signals: []os.Signal{syscall.SIGHUP, syscall.SIGTERM}, forced: true},
		"SIGHUP after SIGTERM does not":                {signals: []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGHUP}},
		"a first signal after another cause does not":  {stop: true, signals: []os.Signal{syscall.SIGTERM}},
		"SIGHUP and SIGTERM after another cause don't": {stop: true, signals: []os.Signal{syscall.SIGHUP, syscall.SIGTERM}},
		"a second signal after another cause":          {stop: true, signals: []os.Signal{syscall.SIGTERM, syscall.SIGTERM}, forced: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTranscript()
				b := newBench(t, tr, WithComponents(&fake{name: "a", tr: tr, run: takes(5 * time.Second)}))
				b.start()
				if tt.stop {
					b.stop(nil)
				}
				for _, s := range tt.signals {
					b.send(s)
				}
				took, err := b.wait()
				if got := errors.Is(err, ErrForced); got != tt.forced {
					t.Errorf("forced: got %t (%v after %v), want %t", got, err, took, tt.forced)
				}
				time.Sleep(time.Minute) // what was left behind ends
			})
		})
	}
}

func TestWithoutSignalsNobodyListens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newTranscript(), WithoutSignals())
		b.start()
		if b.signals != nil {
			t.Error("the service listens for signals")
		}
		b.stop(nil)
		b.wantEnd(0, "")
	})
}

func TestTheCauseOfTheCallersContextReachesTheComponents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		errEnough := errors.New("enough")
		type key struct{}
		var got string
		b := newBench(t, tr, WithComponents(&fake{name: "a", tr: tr, run: func(ctx context.Context) error {
			<-ctx.Done()
			got = fmt.Sprint(context.Cause(ctx), ", ", ctx.Value(key{}))
			return nil
		}}))
		ctx, stop := context.WithCancelCause(context.WithValue(t.Context(), key{}, "kept"))
		go func() { b.result <- b.Run(ctx) }()
		synctest.Wait()
		stop(errEnough)
		b.wantEnd(0, "")
		if want := "enough, kept"; got != want {
			t.Errorf("cause and value: got %q, want %q", got, want)
		}
	})
}

func TestADeadlineOfTheCallersContextIsNoError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newTranscript())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() { b.result <- b.Run(ctx) }()
		b.wantEnd(time.Minute, "")
	})
}
