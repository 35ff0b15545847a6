package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// process is a producer or consumer. Its output goes to a file beside the records.
type process struct {
	name string
	args []string
	log  string
	cmd  *exec.Cmd
	out  *os.File
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
	p.cmd = exec.Command(self, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = attributes()
	if err := p.cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", p.name, err), p.out.Close())
	}
	p.end = make(chan error, 1)
	go func() {
		err := p.cmd.Wait()
		p.end <- errors.Join(err, p.out.Close())
	}()
	return nil
}

// kill ends it with SIGKILL and returns when it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	p.end <- <-p.end
}

// stop asks it to end and returns how that went.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.wait()
}

// wait returns how it ended.
func (p *process) wait() error {
	err := <-p.end
	p.end <- err
	if err != nil {
		return fmt.Errorf("%s: %w; see %s", p.name, err, p.log)
	}
	return nil
}

// ended reports whether it has ended by itself.
func (p *process) ended() bool { return len(p.end) > 0 }
