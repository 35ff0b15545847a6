package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// beTour makes the test binary the tour: so the command is tested as a process of its own, with signals and exit code, and under the race detector.
const beTour = "ORDERS_TEST_IS_THE_TOUR"

// TestMain also takes care that no test is bound to a port, or to what the environment says of services, and that what goes wrong on purpose is not logged.
func TestMain(m *testing.M) {
	if os.Getenv(beTour) != "" {
		main()
	}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "PATRON_") || strings.HasPrefix(name, "OTEL_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("PATRON_HTTP_DEFAULT_PORT", "0")
	os.Setenv("PATRON_LOG_LEVEL", "fatal")
	goleak.VerifyTestMain(m)
}

// deadline bounds what a test waits for.
const deadline = time.Minute

// patience returns a context for whatever a test waits for.
func patience(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), deadline)
	tb.Cleanup(cancel)
	return ctx
}

// tour is the command as a process.
type tour struct {
	tb     testing.TB
	cmd    *exec.Cmd
	stdout bytes.Buffer
	lines  chan string   // of standard error; what nobody reads is kept in said
	said   []string      // standard error; read it after exited
	exited chan struct{} // closed when the process has ended
}

// startTour starts the command with more variables, NAME=value. The test waits for its end.
func startTour(tb testing.TB, env []string, args ...string) *tour {
	tb.Helper()
	t := &tour{tb: tb, cmd: exec.Command(os.Args[0], args...), lines: make(chan string, 1000), exited: make(chan struct{})}
	t.cmd.Env = slices.Concat(os.Environ(), []string{beTour + "=1"}, env)
	t.cmd.Stdout = &t.stdout
	stderr, err := t.cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := t.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		defer close(t.exited)
		t.read(stderr)
		_ = t.cmd.Wait() // code tells
	}()
	tb.Cleanup(func() {
		_ = t.cmd.Process.Kill() // it may have ended
		<-t.exited
	})
	return t
}

func (t *tour) read(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		t.said = append(t.said, lines.Text())
		select {
		case t.lines <- lines.Text():
		default:
		}
	}
	close(t.lines)
}

// await returns the first line of standard error from now on that contains text.
func (t *tour) await(text string) string {
	t.tb.Helper()
	ctx := patience(t.tb)
	for {
		select {
		case line, ok := <-t.lines:
			if !ok {
				t.tb.Fatalf("the tour ended without %q on standard error", text)
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-ctx.Done():
			t.tb.Fatalf("no %q on standard error", text)
		}
	}
}

// url waits until the tour is open.
func (t *tour) url() string {
	t.tb.Helper()
	_, url, _ := strings.Cut(t.await("orders: http://"), "orders: ")
	url, _, _ = strings.Cut(url, " ")
	return url
}

// signal sends a signal.
func (t *tour) signal(s os.Signal) {
	t.tb.Helper()
	if err := t.cmd.Process.Signal(s); err != nil {
		t.tb.Fatal(err)
	}
}

// wait waits for the end and returns the exit code, and what is on standard output and standard error.
func (t *tour) wait() (code int, stdout, stderr string) {
	t.tb.Helper()
	select {
	case <-t.exited:
	case <-patience(t.tb).Done():
		t.tb.Fatal("the tour does not end")
	}
	return t.cmd.ProcessState.ExitCode(), t.stdout.String(), strings.Join(t.said, "\n")
}

// command runs the command to its end.
func command(tb testing.TB, args ...string) (code int, stdout, stderr string) {
	tb.Helper()
	return startTour(tb, nil, args...).wait()
}

// writeFile writes a file for this test alone and returns its path.
func writeFile(tb testing.TB, content string) string {
	tb.Helper()
	path := tb.TempDir() + "/orders"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// readFile reads a file that may not be there.
func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		tb.Fatal(err)
	}
	return content
}
