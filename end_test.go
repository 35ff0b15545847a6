package patron

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/component"
	"github.com/beatlabs/patron/reliability"
)

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// stock is a component without a name.
type stock struct {
	run func(ctx context.Context) error
}

func (s *stock) Run(ctx context.Context) error { return s.run(ctx) }

func TestTheFirstComponentThatReturnsEndsAll(t *testing.T) {
	t.Parallel()
	errBroken := errors.New("connection lost")
	for name, tt := range map[string]struct {
		run  func(ctx context.Context) error
		text string
		is   error
	}{
		"nil is an error that names it": {run: ends(time.Second, nil), text: "component *patron.stock #2: returned while the service was running"},
		"an error is one":               {run: ends(time.Second, errBroken), text: "component *patron.stock #2: connection lost", is: errBroken},
		"done is none":                  {run: ends(time.Second, component.ErrDone)},
		"done, wrapped, is none":        {run: ends(time.Second, fmt.Errorf("all read: %w", component.ErrDone))},
		"the end of a context is an error while its own lives": {
			run: ends(time.Second, context.Canceled), text: "component *patron.stock #2: context canceled", is: context.Canceled,
		},
		"a panic is one": {
			run:  func(context.Context) error { time.Sleep(time.Second); panic("no stock") },
			text: "component *patron.stock #2: panic: no stock",
		},
		"a panic is one, whatever with": {
			run:  func(context.Context) error { time.Sleep(time.Second); panic(component.ErrDone) },
			text: "component *patron.stock #2: panic: component: done",
		},
		"a panic with an error is that": {
			run:  func(context.Context) error { time.Sleep(time.Second); panic(io.ErrUnexpectedEOF) },
			text: "component *patron.stock #2: panic: unexpected EOF", is: io.ErrUnexpectedEOF,
		},
		"the end of its goroutine is one": {
			run:  func(context.Context) error { time.Sleep(time.Second); runtime.Goexit(); return nil },
			text: "component *patron.stock #2: ended its goroutine instead of returning",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTranscript()
				b := newBench(t, tr,
					WithComponents(&fake{name: "a", tr: tr, run: takes(time.Second)}, &stock{run: tt.run}),
					WithComponents(&fake{name: "c", tr: tr, run: takes(time.Second)}))

				b.start()

				took, err := b.wait()
				if got := textOf(err); got != tt.text {
					t.Errorf("Run returned the error %q, want %q", got, tt.text)
				}
				if tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("errors.Is(%v, %v): got false", err, tt.is)
				}
				if took != 3*time.Second {
					t.Errorf("Run returned after %v, want 3s", took)
				}
				tr.want(t, "0s a starts", "0s a runs", "0s c starts", "0s c runs", "2s c returns", "3s a returns")
			})
		})
	}
}

func TestAPanicIsLoggedOnceWithItsStack(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(tr *transcript) *fake{
		"in Start": func(tr *transcript) *fake {
			return &fake{name: "a", tr: tr, start: func(context.Context) error { return explode() }}
		},
		"in Run": func(tr *transcript) *fake {
			return &fake{name: "a", tr: tr, run: func(context.Context) error { return explode() }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTranscript()
				b := newBench(t, tr, WithComponents(f(tr)))

				b.start()

				_, err := b.wait()
				if p, ok := errors.AsType[*reliability.PanicError](err); !ok || p.Value != "boom" {
					t.Errorf("Run returned the error %v, want a panic", err)
				}
				logged := b.log.find("component panicked")
				if len(logged) != 1 || logged[0]["component"] != "a" || logged[0]["error"] != "panic: boom" {
					t.Fatalf("the log says %v", logged)
				}
				if stack, _ := logged[0]["stack"].(string); !strings.Contains(stack, "patron.explode") {
					t.Errorf("the stack does not show the panic:\n%s", stack)
				}
			})
		})
	}
}

func explode() error { panic("boom") }

func TestEveryPartOfTheErrorIsNamedTheCauseFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		errA, errB, errC := errors.New("a failed"), errors.New("b failed"), errors.New("c failed")
		failing := func(err error) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				<-ctx.Done()
				return err
			}
		}
		b := newBench(t, tr,
			WithComponents(&fake{name: "a", tr: tr, run: failing(errA)}),
			WithComponents(&fake{name: "b", tr: tr, run: failing(errB)}, &fake{name: "c", tr: tr, run: ends(time.Second, errC)}, &fake{name: "d", tr: tr}))

		b.start()

		_, err := b.wait()
		if got, want := textOf(err), "component c: c failed\ncomponent a: a failed\ncomponent b: b failed"; got != want {
			t.Errorf("Run returned the error\n%s\nwant\n%s", got, want)
		}
		for _, want := range []error{errA, errB, errC} {
			if !errors.Is(err, want) {
				t.Errorf("errors.Is(%v, %v): got false", err, want)
			}
		}
	})
}

func TestWhatEndsAComponentIsToldToTheOthers(t *testing.T) {
	t.Parallel()
	errLost := errors.New("connection lost")
	for text, err := range map[string]error{"component b: connection lost": errLost, "component b is done": component.ErrDone} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTranscript()
				var cause error
				b := newBench(t, tr, WithComponents(
					&fake{name: "a", tr: tr, run: func(ctx context.Context) error {
						<-ctx.Done()
						cause = context.Cause(ctx)
						return nil
					}},
					&fake{name: "b", tr: tr, run: ends(time.Second, err)}))

				b.start()
				_, _ = b.wait()

				if !errors.Is(cause, err) || cause.Error() != text {
					t.Errorf("the cause: got %v", cause)
				}
			})
		})
	}
}

func TestWhatAComponentReturnsWhenItIsStopped(t *testing.T) {
	t.Parallel()
	errStop := errors.New("enough")
	errAck := errors.New("ack refused")
	for name, tt := range map[string]struct {
		run  func(ctx context.Context) error
		text string
	}{
		"nil":                          {run: func(context.Context) error { return nil }},
		"done":                         {run: func(context.Context) error { return component.ErrDone }},
		"the error of its context":     {run: func(ctx context.Context) error { return ctx.Err() }},
		"the cause of its context":     {run: context.Cause},
		"an error":                     {run: func(context.Context) error { return errAck }, text: "component a: ack refused"},
		"the error of another context": {run: func(context.Context) error { return context.DeadlineExceeded }, text: "component a: context deadline exceeded"},
		"what wraps that of its own": {
			run:  func(ctx context.Context) error { return fmt.Errorf("commit: %w", ctx.Err()) },
			text: "component a: commit: context canceled",
		},
		"the error of its context, with work that was cut": {
			run: func(ctx context.Context) error {
				work, cancel := component.Work(ctx)
				defer cancel()
				<-work.Done()
				return ctx.Err()
			},
			text: "component a: context canceled",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTranscript()
				b := newBench(t, tr, WithComponents(&fake{name: "a", tr: tr, run: func(ctx context.Context) error {
					<-ctx.Done()
					return tt.run(ctx)
				}}))
				b.start()
				b.stop(errStop)
				_, err := b.wait()
				if got := textOf(err); got != tt.text {
					t.Errorf("Run returned the error %q, want %q", got, tt.text)
				}
			})
		})
	}
}

// A consumer that ends while others still publish to it must be seen, also when the service is stopping.
func TestAComponentThatReturnsBeforeItsTurnIsSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		b := newBench(t, tr,
			WithComponents(&fake{name: "consumer", tr: tr, run: ends(65*time.Second, nil)}),
			WithComponents(&fake{name: "publisher", tr: tr, run: takes(8 * time.Second)}))
		b.start()
		time.Sleep(time.Minute)
		b.stop(nil)
		b.wantEnd(68*time.Second, "component consumer: returned while the service was running")
	})
}
