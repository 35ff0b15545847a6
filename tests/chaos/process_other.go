//go:build !linux

package main

import "syscall"

// attributes keep Ctrl-C from a process: it is for the controller.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
