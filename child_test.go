package patron

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childVariable makes the test binary a service with the sort of component that it names.
const childVariable = "TEST_CHILD_OF_PATRON"

// Exit codes of a child.
const (
	exitOK     = 0
	exitFailed = 1
	exitForced = 3
)

// child is the main function of a child.
func child() int {
	var oo []OptionFunc
	switch os.Getenv(childVariable) {
	case "stuck":
		oo = append(oo, WithComponents(runFunc(func(context.Context) error { select {} })))
	case "hook":
		oo = append(oo, WithSIGHUP(func() { fmt.Println("reload") }))
	case "panics":
		oo = append(oo, WithComponents(runFunc(func(context.Context) error { panic("boom") })))
	default:
	}
	s, err := New("child", "1", oo...)
	if err != nil {
		fmt.Println("new:", err)
		return exitFailed
	}
	go func() {
		<-s.Started()
		fmt.Println("ready")
	}()
	err = s.Run(context.Background())
	fmt.Println("run:", err)
	switch {
	case errors.Is(err, ErrForced):
		return exitForced
	case err != nil:
		return exitFailed
	default:
		return exitOK
	}
}

// process is a child that runs.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	out *bufio.Reader
}

// spawn starts a child.
func spawn(t *testing.T, kind string, env ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), childVariable+"="+kind, "PATRON_HTTP_DEFAULT_PORT=0", "PATRON_GRACE_PERIOD=1m"), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &process{t: t, cmd: cmd, out: bufio.NewReader(out)}
}

// says waits for a line.
func (p *process) says(want string) {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil || strings.TrimSpace(line) != want {
		p.t.Fatalf("the child said %q (%v), want %q", line, err, want)
	}
}

func (p *process) send(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exits waits for the end, and returns the exit code and what was said.
func (p *process) exits() (int, string) {
	p.t.Helper()
	rest, err := io.ReadAll(p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			p.t.Fatal(err)
		}
	}
	return p.cmd.ProcessState.ExitCode(), strings.TrimSpace(string(rest))
}

func TestAProcessStopsBySignal(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			p := spawn(t, "plain")
			p.says("ready")
			p.send(s)
			if code, said := p.exits(); code != exitOK || said != "run: <nil>" {
				t.Errorf("got the exit code %d and %q", code, said)
			}
		})
	}
}

func TestAProcessReloadsAndGoesOn(t *testing.T) {
	t.Parallel()
	p := spawn(t, "hook")
	p.says("ready")
	for range 3 {
		p.send(syscall.SIGHUP)
		p.says("reload")
	}
	p.send(syscall.SIGTERM)
	if code, said := p.exits(); code != exitOK || said != "run: <nil>" {
		t.Errorf("got the exit code %d and %q", code, said)
	}
}

// The machine may be busy: the best of several counts. That Run itself returns in time is tested in virtual time.
func TestAProcessIsForcedWithin200ms(t *testing.T) {
	t.Parallel()
	best := time.Hour
	for range 5 {
		p := spawn(t, "stuck")
		p.says("ready")
		p.send(syscall.SIGTERM)
		p.send(syscall.SIGINT) // another one, since two of a kind may arrive as one
		second := time.Now()
		code, said := p.exits()
		best = min(best, time.Since(second))
		if code != exitForced || !strings.HasPrefix(said, "run: "+ErrForced.Error()) || !strings.Contains(said, "patron.runFunc #1: still running") {
			t.Fatalf("got the exit code %d and %q", code, said)
		}
		if best < 200*time.Millisecond {
			return
		}
	}
	t.Errorf("the process ended %v after the second signal, want less than 200ms", best)
}

func TestAProcessWithAComponentThatPanicsFails(t *testing.T) {
	t.Parallel()
	code, said := spawn(t, "panics").exits()
	if code != exitFailed || !strings.HasSuffix(said, "run: component patron.runFunc #1: panic: boom") {
		t.Errorf("got the exit code %d and %q", code, said)
	}
}

func TestAProcessWithABadVariableDoesNotStart(t *testing.T) {
	t.Parallel()
	code, said := spawn(t, "plain", "PATRON_LOG_LEVEL=loud").exits()
	if code != exitFailed || !strings.HasPrefix(said, `new: patron: PATRON_LOG_LEVEL="loud": want debug,`) {
		t.Errorf("got the exit code %d and %q", code, said)
	}
}

func TestAProcessWhosePortIsTakenFails(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	code, said := spawn(t, "plain", "PATRON_HTTP_DEFAULT_PORT="+port).exits()
	if code != exitFailed || !strings.HasPrefix(said, "run: component http: start: http: listen on :"+port) || !strings.HasSuffix(said, "address already in use") {
		t.Errorf("got the exit code %d and %q", code, said)
	}
}
