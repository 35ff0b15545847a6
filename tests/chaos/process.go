package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// process is a producer or consumer. Its output goes to a file beside the records.
type process struct {
	name string
	args []string
	log  string
	cmd  *exec.Cmd
	out  *os.File
	live *os.File // ends when it handles signals
	end  chan error
}

func newProcess(s setting, role string, instance int) *process {
	name := fmt.Sprintf("%s%d", role, instance)
	return &process{name: name, args: s.args(role, instance), log: filepath.Join(s.dir, name+".log")}
}

func (p *process) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if p.out, err = os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	p.cmd = exec.Command(self, p.args...) //nolint:gosec,noctx // this program; it is killed
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = attributes()
	var theirs *os.File
	if p.live, theirs, err = os.Pipe(); err != nil {
		return errors.Join(err, p.out.Close())
	}
	p.cmd.ExtraFiles = []*os.File{theirs}
	p.end = make(chan error, 1)
	started := make(chan error)
	go func() {
		// For the kernel the parent is the thread: it must live as long as the child. It is not unlocked, so it ends with this function.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.end <- errors.Join(p.cmd.Wait(), p.out.Close())
		}
	}()
	if err := <-started; err != nil {
		return errors.Join(fmt.Errorf("%s: %w", p.name, err), p.out.Close(), p.live.Close(), theirs.Close())
	}
	return theirs.Close()
}

// handles tells the controller that this process handles signals from now on: it closes the first file that is left to it.
func handles() { _ = os.NewFile(3, "live").Close() }

// kill ends it with SIGKILL and returns when it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	p.end <- <-p.end
	_ = p.live.Close()
}

// stop asks it to end, as soon as it can hear that, and returns how that went.
func (p *process) stop() error {
	if _, err := p.live.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.wait()
}

// wait returns how it ended.
func (p *process) wait() error {
	err := <-p.end
	p.end <- err
	_ = p.live.Close()
	if err != nil {
		return fmt.Errorf("%s: %w; see %s", p.name, err, p.log)
	}
	return nil
}

// ended reports whether it has ended by itself.
func (p *process) ended() bool { return len(p.end) > 0 }
