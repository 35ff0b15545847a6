package broker

import "syscall"

// dieWithParent lets the kernel kill the child when the thread ends that started it.
func dieWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
