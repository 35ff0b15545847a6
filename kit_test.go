package patron

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	plog "github.com/beatlabs/patron/log"
	"github.com/google/go-cmp/cmp"
)

// transcript is what happened, in order, with the virtual time since it began.
type transcript struct {
	began time.Time

	mu    sync.Mutex // guards lines
	lines []string
}

func newTranscript() *transcript { return &transcript{began: time.Now()} }

func (tr *transcript) addf(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lines = append(tr.lines, fmt.Sprintf("%v ", time.Since(tr.began))+fmt.Sprintf(format, args...))
}

func (tr *transcript) all() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return append([]string(nil), tr.lines...)
}

// want compares the transcript. Lines of one moment have no order.
func (tr *transcript) want(t *testing.T, lines ...string) {
	t.Helper()
	moment := func(a, b string) bool {
		ta, _, _ := strings.Cut(a, " ")
		tb, _, _ := strings.Cut(b, " ")
		return ta == tb
	}
	sorted := func(lines []string) []string {
		for i := 0; i < len(lines); {
			j := i + 1
			for j < len(lines) && moment(lines[i], lines[j]) {
				j++
			}
			slices.Sort(lines[i:j])
			i = j
		}
		return lines
	}
	if diff := cmp.Diff(sorted(lines), sorted(tr.all())); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
}

// fake is a component that does what its functions say and writes it down. A nil function does what a good component does.
type fake struct {
	name  string
	tr    *transcript
	start func(ctx context.Context) error
	run   func(ctx context.Context) error
}

func (f *fake) String() string { return f.name }

func (f *fake) Start(ctx context.Context) error {
	f.tr.addf("%s starts", f.name)
	if f.start == nil {
		return nil
	}
	return f.start(ctx)
}

func (f *fake) Run(ctx context.Context) error {
	if ctx.Err() != nil {
		f.tr.addf("%s unwinds", f.name)
		return nil
	}
	f.tr.addf("%s runs", f.name)
	defer f.tr.addf("%s returns", f.name)
	if f.run != nil {
		return f.run(ctx)
	}
	<-ctx.Done()
	return nil
}

// runFunc is a component that can do nothing but run.
type runFunc func(ctx context.Context) error

func (f runFunc) Run(ctx context.Context) error { return f(ctx) }

// takes returns a function for Run that waits for the end of take and then for d.
func takes(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(d)
		return nil
	}
}

// ends returns a function for Start or Run that returns err after d.
func ends(d time.Duration, err error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// lines keeps the log of a service.
type lines struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// find returns the lines with the message.
func (l *lines) find(message string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []map[string]any
	for line := range strings.Lines(l.buf.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			m = map[string]any{plog.MessageKey: message, "no JSON": line}
		}
		if m[plog.MessageKey] == message {
			found = append(found, m)
		}
	}
	return found
}

// messages returns level and message of every line.
func (l *lines) messages() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.buf.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			found = append(found, line)
			continue
		}
		found = append(found, fmt.Sprint(m[plog.LevelKey], ": ", m[plog.MessageKey]))
	}
	return found
}

// bench is a service in a bubble, without sockets, with signals that the test sends and a log that it reads.
type bench struct {
	*Service
	t       *testing.T
	tr      *transcript
	log     *lines
	signals chan<- os.Signal
	stop    context.CancelCauseFunc
	result  chan error
}

// withSignals makes the service listen to what the test sends.
func withSignals(listen listenFunc) OptionFunc {
	return func(c *config) error {
		c.signals = listen
		return nil
	}
}

// newBench makes a service that has nothing but what the options say.
func newBench(t *testing.T, tr *transcript, oo ...OptionFunc) *bench {
	t.Helper()
	b := &bench{t: t, tr: tr, log: &lines{}, result: make(chan error, 1)}
	listen := func(c chan<- os.Signal) func() {
		b.signals = c
		return func() { b.signals = nil }
	}
	env, err := readEnvironment(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newService("bench", "1.0.0", env, nil, append([]OptionFunc{
		WithoutHTTP(), WithoutGlobals(), WithLogger(plog.New(plog.JSON(b.log, nil))), withSignals(listen),
	}, oo...))
	if err != nil {
		t.Fatal(err)
	}
	b.Service = s
	return b
}

// start calls Run and waits until nothing moves.
func (b *bench) start() {
	b.t.Helper()
	var ctx context.Context
	ctx, b.stop = context.WithCancelCause(b.t.Context())
	go func() { b.result <- b.Run(ctx) }()
	synctest.Wait()
}

// send sends a signal.
func (b *bench) send(s os.Signal) {
	b.signals <- s
	synctest.Wait()
}

// wait returns what Run returned, and when, since the transcript began.
func (b *bench) wait() (time.Duration, error) {
	b.t.Helper()
	select {
	case err := <-b.result:
		return time.Since(b.tr.began), err
	case <-time.After(time.Hour):
		b.t.Fatal("Run did not return within an hour")
		return 0, nil
	}
}

// wantEnd checks how and when Run returned.
func (b *bench) wantEnd(after time.Duration, text string) {
	b.t.Helper()
	took, err := b.wait()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != text {
		b.t.Errorf("Run returned the error %q, want %q", got, text)
	}
	if took != after {
		b.t.Errorf("Run returned after %v, want %v", took, after)
	}
}
