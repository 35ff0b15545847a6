package drain

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// startTime bounds how long the tour may take until it says where it is.
const startTime = 20 * time.Second

// tailLines is how much of the end of standard error is kept.
const tailLines = 30

// tour is the running process.
type tour struct {
	cmd    *exec.Cmd
	addr   string
	stdout bytes.Buffer
	exited chan struct{} // closed when the process has ended and all that it wrote was read
	err    error         // of the process; read it after exited
	tail   []string      // the last lines of standard error; read it after exited
}

// startTour starts binary on free ports and returns when it is open.
func startTour(ctx context.Context, binary string, args ...string) (*tour, error) {
	t := &tour{cmd: exec.Command(binary, args...), exited: make(chan struct{})} //nolint:gosec,noctx // our own program; stop ends it
	t.cmd.Env = append(unconfigured(t.cmd.Environ()), "PATRON_HTTP_DEFAULT_PORT=0")
	t.cmd.Stdout = &t.stdout
	stderr, err := t.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	go func() {
		defer close(t.exited)
		t.read(stderr, address)
		t.err = t.cmd.Wait()
	}()
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	select {
	case t.addr = <-address:
		return t, nil
	case <-t.exited:
		return nil, fmt.Errorf("the tour ended before it was open: %w\n%s", t.err, t.said())
	case <-timer.C:
		err = fmt.Errorf("the tour did not say where it is within %v", startTime)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	t.kill()
	return nil, fmt.Errorf("%w\n%s", err, t.said())
}

// unconfigured leaves out the variables that configure a service.
func unconfigured(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		return strings.HasPrefix(v, "PATRON_") || strings.HasPrefix(v, "OTEL_")
	})
}

// read reads standard error to its end, and finds the address.
func (t *tour) read(stderr io.Reader, address chan<- string) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		t.tail = append(t.tail, line)
		t.tail = t.tail[max(0, len(t.tail)-tailLines):]
		if where, ok := strings.CutPrefix(line, "orders: http://"); ok {
			where, _, _ = strings.Cut(where, " ")
			select {
			case address <- where:
			default:
			}
		}
	}
	_, _ = io.Copy(io.Discard, stderr) // after a line that is too long
}

// stop sends the signal and waits for the end of the process. It says how long that took; one that takes longer than limit is killed.
func (t *tour) stop(signal os.Signal, limit time.Duration) (time.Duration, error) {
	began := time.Now()
	if err := t.cmd.Process.Signal(signal); err != nil {
		t.kill()
		return 0, fmt.Errorf("%v: %w", signal, err)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.exited:
	case <-timer.C:
		t.kill()
		return limit, fmt.Errorf("the tour had not ended %v after %v", limit, signal)
	}
	took := time.Since(began)
	if exit, ok := errors.AsType[*exec.ExitError](t.err); ok {
		return took, fmt.Errorf("want exit code 0: %w", exit)
	}
	return took, t.err
}

// kill ends the process, if it runs, and waits.
func (t *tour) kill() {
	_ = t.cmd.Process.Kill() // it may have ended
	<-t.exited
}

// said is the end of standard error.
func (t *tour) said() string { return "  " + strings.Join(t.tail, "\n  ") }
