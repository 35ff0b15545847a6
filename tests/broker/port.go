package broker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

// The ports that are taken: above those that are well known, below those that the kernel gives to clients, which begin at 32768 unless it is told otherwise.
const (
	firstPort = 20000
	lastPort  = 32767
)

// reservation holds a port: nobody else who asks this package gets it, in this process or another, and a broker can listen on it, again and again.
type reservation struct {
	port int
	fd   int // a socket that is bound but does not listen, or -1
}

// reserve takes n free ports.
func reserve(n int) ([]reservation, error) {
	var taken []reservation
	for range 1000 {
		if len(taken) == n {
			return taken, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		r, err := reservePort(port)
		if err == nil {
			taken = append(taken, r)
			continue
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, errors.Join(err, release(taken))
		}
	}
	return nil, errors.Join(fmt.Errorf("no %d free ports between %d and %d", n, firstPort, lastPort), release(taken))
}

// reservePort takes the port if nobody has it.
//
// The socket is bound without SO_REUSEADDR, which fails if any other has the port, be it one that only holds it. Then it is given the option: Linux now lets
// those bind the port and listen who set it themselves, as every broker does. With the process the socket ends, however that ends.
func reservePort(port int) (reservation, error) {
	if runtime.GOOS != "linux" {
		l, err := net.Listen("tcp4", loopback(port)) //nolint:noctx // nothing blocks
		if err != nil {
			return reservation{}, err
		}
		return reservation{port: port, fd: -1}, l.Close()
	}
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return reservation{}, os.NewSyscallError("socket", err)
	}
	err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err == nil {
		err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}
	if err != nil {
		return reservation{}, errors.Join(os.NewSyscallError("bind", err), syscall.Close(fd))
	}
	return reservation{port: port, fd: fd}, nil
}

// release gives ports back.
func release(all []reservation) error {
	var errs []error
	for _, r := range all {
		if r.fd >= 0 {
			errs = append(errs, syscall.Close(r.fd))
		}
	}
	return errors.Join(errs...)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// FreePorts are n ports that nobody has now, for somebody else who listens soon. Unlike those of a Broker they are not held.
func FreePorts(n int) ([]int, error) {
	taken, err := reserve(n)
	if err != nil {
		return nil, err
	}
	ports := make([]int, n)
	for i, r := range taken {
		ports[i] = r.port
	}
	return ports, release(taken)
}
