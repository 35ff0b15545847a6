package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell starts a script that says ready when it is, and waits for that.
func shell(t *testing.T, script string) *child {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	c, err := launch(command{args: []string{"/bin/sh", "-c", script}, log: log}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Kill(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		c.reap()
	})
	if err := until(t.Context(), time.Millisecond, func() (bool, error) {
		text, err := os.ReadFile(log)
		return strings.Contains(string(text), "ready"), err
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAProcessEndsByItsSignal(t *testing.T) {
	t.Parallel()
	c := shell(t, `trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done`)
	if !c.Alive() {
		t.Fatal("it is not alive")
	}

	if err := c.End(t.Context()); err != nil {
		t.Fatal(err)
	}

	c.reap()
	if c.Alive() {
		t.Error("it is alive after End")
	}
	if err := c.failure(); !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "bye") {
		t.Errorf("got %v, want its status and what it said", err)
	}
	if err := errors.Join(c.End(t.Context()), c.Kill(t.Context())); err != nil {
		t.Errorf("ended again: %v", err)
	}
}

func TestAProcessThatDoesNotEndIsKilledWithItsChildren(t *testing.T) {
	t.Parallel()
	// The grandchild has a session of its own, as the children of PostgreSQL have.
	c := shell(t, `trap '' TERM; setsid sh -c 'trap "" TERM; echo ready; while :; do sleep 1; done' & while :; do sleep 1; done`)
	family := descendants(c.PID)
	if len(family) < 2 {
		t.Fatalf("got descendants %v, want a shell and what sleeps", family)
	}
	impatient := errors.New("impatient")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, impatient)
	defer cancel()

	err := c.End(ctx)

	if !errors.Is(err, impatient) {
		t.Errorf("got %v, want %v", err, impatient)
	}
	for _, p := range append(family, c.Process) {
		if p.Alive() {
			t.Errorf("%d is alive", p.PID)
		}
	}
}

func TestAnotherProcessWithTheNumberIsLeftAlone(t *testing.T) {
	t.Parallel()
	c := shell(t, `echo ready; exec sleep 1000`)
	earlier := Process{PID: c.PID, Started: c.Started + "0", Stop: syscall.SIGTERM}

	if err := errors.Join(earlier.End(t.Context()), earlier.Kill(t.Context())); err != nil {
		t.Error(err)
	}

	if earlier.Alive() {
		t.Error("a process that started at another time is taken for it")
	}
	if !c.Alive() {
		t.Error("somebody else's process was killed")
	}
}

func TestAProcessThatNobodyWaitedForIsNotAlive(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started, err := identity(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	p := Process{PID: cmd.Process.Pid, Started: started}
	if !p.Alive() {
		t.Error("it is not alive")
	}

	if err := p.Kill(t.Context()); err != nil { // it would wait for ever if it took a zombie for alive
		t.Error(err)
	}

	_ = cmd.Wait() // killed
}

// parentVariable makes the test binary the parent that is killed below.
const parentVariable = "PATRON_BROKER_PARENT"

func TestAChildDoesNotOutliveItsParentUnlessItIsDetached(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can")
	}
	if os.Getenv(parentVariable) != "" {
		for _, detached := range []bool{false, true} {
			c, err := launch(command{args: []string{"/bin/sleep", "1000"}, log: os.DevNull}, detached)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println("child", c.PID, c.Started)
		}
		select {} // until it is killed
	}
	parent := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	parent.Env = append(parent.Environ(), parentVariable+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var children []Process
	lines := bufio.NewScanner(out)
	for len(children) < 2 && lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "child" {
			pid, _ := strconv.Atoi(fields[1])
			children = append(children, Process{PID: pid, Started: fields[2]})
		}
	}
	if len(children) != 2 {
		t.Fatal("the parent did not start its children")
	}
	bound, detached := children[0], children[1]
	t.Cleanup(func() { _ = detached.Kill(context.WithoutCancel(t.Context())) })
	if !bound.Alive() || !detached.Alive() {
		t.Fatal("the children do not run")
	}

	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed

	if err := until(t.Context(), time.Millisecond, func() (bool, error) { return !bound.Alive(), nil }); err != nil {
		t.Error(err)
	}
	if !detached.Alive() {
		t.Error("the detached child died with its parent")
	}
}

func TestVariablesThatConfigureBrokersStayOutside(t *testing.T) {
	t.Setenv("RABBITMQ_NODENAME", "somebody-elses")
	t.Setenv("PGDATA", "/somebody/elses")
	t.Setenv("PATRON_SOMETHING", "kept")

	got := strings.Join(command{args: []string{"true"}, env: []string{"RABBITMQ_NODE_PORT=1"}}.cmd().Env, "\n")

	if strings.Contains(got, "elses") || !strings.Contains(got, "PATRON_SOMETHING=kept") || !strings.Contains(got, "RABBITMQ_NODE_PORT=1") {
		t.Errorf("got %s", got)
	}
}
