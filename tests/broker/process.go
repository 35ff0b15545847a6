package broker

import (
	"bytes"
	"cmp"
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
	"time"
)

// Process is one that was started, by this program or by an earlier one. It can be stopped by whoever may send it signals. It can be kept as JSON.
type Process struct {
	// PID alone says little about a process that somebody else started: it may have ended, and another may have its number.
	PID int `json:"pid"`
	// Started tells processes with one number apart; see identity.
	Started string `json:"started"`
	// Stop is the signal that asks it to end.
	Stop syscall.Signal `json:"stop"`
}

// Alive reports whether it runs. One that has ended but was not waited for does not.
func (p Process) Alive() bool {
	now, err := identity(p.PID)
	return err == nil && now == p.Started
}

// End asks the process to end, and waits until it has. If it has not when the context ends, it is killed, with what it started, and that is the error.
// It is no error that it is gone.
func (p Process) End(ctx context.Context) error {
	if !p.Alive() {
		return nil
	}
	if err := syscall.Kill(p.PID, p.Stop); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("process %d: %v: %w", p.PID, p.Stop, err)
	}
	err := until(ctx, 20*time.Millisecond, func() (bool, error) { return !p.Alive(), nil })
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("process %d did not end by %v: %w", p.PID, p.Stop, err), p.Kill(context.WithoutCancel(ctx)))
}

// killTime bounds how long the kernel takes to end what was killed.
const killTime = 20 * time.Second

// Kill kills the process and all that it started, with SIGKILL, and waits until they are gone. It is no error that they are.
func (p Process) Kill(ctx context.Context) error {
	if !p.Alive() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	doomed := append(descendants(p.PID), p) // before it dies: an orphan's parent is another
	for _, d := range doomed {
		if err := syscall.Kill(d.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("process %d: %w", d.PID, err)
		}
	}
	for _, d := range doomed {
		if err := until(ctx, 5*time.Millisecond, func() (bool, error) { return !d.Alive(), nil }); err != nil {
			return fmt.Errorf("process %d is not gone after SIGKILL: %w", d.PID, err)
		}
	}
	return nil
}

var errGone = errors.New("no such process")

// identity is what no other process with this number has: the time of its start, since the machine's. It is an error that there is none, or that it has ended.
func identity(pid int) (string, error) {
	if runtime.GOOS != "linux" {
		out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output() //nolint:noctx,gosec // it looks into a table
		state, started, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		if err != nil || strings.HasPrefix(state, "Z") {
			return "", errGone
		}
		return strings.TrimSpace(started), nil
	}
	stat, err := readStat(pid)
	if err != nil {
		return "", err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(boot)) + "/" + stat.started, nil
}

// stat is what the kernel says about a process.
type stat struct {
	parent  int
	started string // ticks since the machine's start
}

// readStat reads /proc/PID/stat. A process that has ended is an error, also before somebody waited for it.
func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, errGone
	}
	// The second field is the name, in parentheses, and may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return stat{}, errGone
	}
	parent, err := strconv.Atoi(fields[1])
	return stat{parent: parent, started: fields[19]}, err
}

// descendants are the processes that it started, those that these started, and so on, as far as the system tells.
func descendants(pid int) []Process {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	children := make(map[int][]int)
	for _, entry := range entries {
		child, err := strconv.Atoi(filepath.Base(entry))
		if err != nil {
			continue
		}
		if s, err := readStat(child); err == nil {
			children[s.parent] = append(children[s.parent], child)
		}
	}
	var found []Process
	for family := children[pid]; len(family) > 0; family = family[1:] {
		if started, err := identity(family[0]); err == nil {
			found = append(found, Process{PID: family[0], Started: started})
		}
		family = append(family, children[family[0]]...)
	}
	return found
}

// command is how a process is started.
type command struct {
	args []string
	env  []string            // added to that of this process
	dir  string              // where it runs; "" is the root
	log  string              // what it writes goes to the end of this file
	user *syscall.Credential // nil is ours
	stop syscall.Signal      // 0 is SIGTERM
}

// foreign begin the variables that configure a broker's programs from the outside.
var foreign = []string{"RABBITMQ_", "ERL_", "KAFKA_", "PG", "MYSQL_", "MARIADB_"} //nolint:gochecknoglobals // a table

// cmd is the command, not started.
func (c command) cmd() *exec.Cmd {
	cmd := exec.Command(c.args[0], c.args[1:]...) //nolint:gosec,noctx // of our recipes; who starts it ends it
	for _, variable := range cmd.Environ() {
		if !hasPrefix(variable, foreign) {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: c.user}
	cmd.Dir = cmp.Or(c.dir, "/") // a directory that a test removes is none to stand in, and another user may not be able to
	return cmd
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// run runs the command to its end.
func (c command) run(ctx context.Context, stdin string) error {
	cmd := c.cmd()
	cmd.Stdin = strings.NewReader(stdin)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // its session
	err := cmd.Wait()
	stop()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(c.args[0]), err, tail(out.String()))
	}
	return nil
}

// child is a process that this program started.
type child struct {
	Process

	log    string
	exited chan struct{} // closed when it has ended
	err    error         // how; read it after exited
}

// launch starts the command. Unless it is detached, the child is killed when this program ends.
func launch(c command, detached bool) (*child, error) {
	log, err := os.OpenFile(c.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // a log
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := c.cmd()
	cmd.Stdout, cmd.Stderr = log, log
	if !detached {
		dieWithParent(cmd.SysProcAttr)
	}
	ch := &child{log: c.log, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// For the kernel the parent is the thread: it must live as long as the child. It is not unlocked, so it ends with this function.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ch.err = cmd.Wait()
		}
		close(ch.exited)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	ch.Process = Process{PID: cmd.Process.Pid, Stop: c.stop}
	if ch.Stop == 0 {
		ch.Stop = syscall.SIGTERM
	}
	// It cannot be found any more if it has ended already: then nothing is alive that this could be mistaken for.
	ch.Started, _ = identity(ch.PID)
	return ch, nil
}

// reap waits until the goroutine that waits for the child has ended. Call it after End or Kill.
func (c *child) reap() { <-c.exited }

// failure says how a child ended that should not have, and what it said.
func (c *child) failure() error {
	status := "exit status 0"
	if c.err != nil {
		status = c.err.Error()
	}
	text, err := os.ReadFile(c.log)
	if err != nil {
		return fmt.Errorf("it ended (%s) and left no log: %w", status, err)
	}
	return fmt.Errorf("it ended (%s); its log says:\n%s", status, tail(string(text)))
}
