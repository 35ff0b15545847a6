//go:build unix

package bench_test

import "syscall"

// cpuTime returns the nanoseconds that the process has spent on processors, 0 if nobody knows.
func cpuTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}
