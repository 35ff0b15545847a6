package log_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/backendtest"
)

// lines is a writer that keeps what was written, one entry for each Write.
type lines struct {
	mu      sync.Mutex // guards written
	written [][]byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written = append(l.written, bytes.Clone(p))
	return len(p), nil
}

// take returns the lines that were written since, decoded.
func (l *lines) take(t backendtest.TB) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var decoded []map[string]any
	for _, p := range l.written {
		decoded = append(decoded, backendtest.Decode(t, p))
	}
	l.written = nil
	return decoded
}

// one returns the one line that was written since.
func (l *lines) one(t backendtest.TB) map[string]any {
	t.Helper()
	got := l.take(t)
	if len(got) != 1 {
		t.Fatalf("got %d lines, want 1: %v", len(got), got)
	}
	return got[0]
}

func newLogger(level plog.Level) (*plog.Leveled, *lines) {
	out := &lines{}
	return plog.New(plog.JSON(out, plog.NewLevelVar(level))), out
}

// recorder is a Logger that has no more than the seed asks for, and forgets to exit and to panic.
type recorder struct {
	mu    sync.Mutex // guards calls
	calls []string
}

func (r *recorder) record(method, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, method+": "+text)
}

func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := strings.Join(r.calls, "\n")
	r.calls = nil
	return all
}

func (r *recorder) Fatal(args ...any)            { r.record("Fatal", fmt.Sprint(args...)) }
func (r *recorder) Fatalf(f string, args ...any) { r.record("Fatalf", fmt.Sprintf(f, args...)) }
func (r *recorder) Panic(args ...any)            { r.record("Panic", fmt.Sprint(args...)) }
func (r *recorder) Panicf(f string, args ...any) { r.record("Panicf", fmt.Sprintf(f, args...)) }
func (r *recorder) Error(args ...any)            { r.record("Error", fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, args ...any) { r.record("Errorf", fmt.Sprintf(f, args...)) }
func (r *recorder) Warn(args ...any)             { r.record("Warn", fmt.Sprint(args...)) }
func (r *recorder) Warnf(f string, args ...any)  { r.record("Warnf", fmt.Sprintf(f, args...)) }
func (r *recorder) Info(args ...any)             { r.record("Info", fmt.Sprint(args...)) }
func (r *recorder) Infof(f string, args ...any)  { r.record("Infof", fmt.Sprintf(f, args...)) }
func (r *recorder) Debug(args ...any)            { r.record("Debug", fmt.Sprint(args...)) }
func (r *recorder) Debugf(f string, args ...any) { r.record("Debugf", fmt.Sprintf(f, args...)) }

func assertEqual[T comparable](tb testing.TB, what string, got, want T) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s: got %v, want %v", what, got, want)
	}
}
