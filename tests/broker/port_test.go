package broker

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func TestReservedPortsAreBelowThoseOfClientsAndDiffer(t *testing.T) {
	t.Parallel()
	all, err := reserve(50)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := release(all); err != nil {
			t.Error(err)
		}
	}()
	seen := make(map[int]bool)
	for _, r := range all {
		if r.port < firstPort || r.port >= 32768 || seen[r.port] {
			t.Errorf("port %d: want one from %d to 32767 that was not given yet", r.port, firstPort)
		}
		seen[r.port] = true
	}
}

func TestAReservedPortIsForItsBrokerAlone(t *testing.T) {
	t.Parallel()
	held, err := reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	port := held[0].port

	if _, err := reservePort(port); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("reserved again: got %v, want %v", err, syscall.EADDRINUSE)
	}
	if conn, err := net.Dial("tcp", loopback(port)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialled while nobody listens: got %v, %v, want %v", conn, err, syscall.ECONNREFUSED)
	}
	for range 3 { // as a broker that is killed and comes back
		l, err := net.Listen("tcp4", loopback(port))
		if err != nil {
			t.Fatalf("the broker cannot listen: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}

	if err := release(held); err != nil {
		t.Fatal(err)
	}
	again, err := reservePort(port)
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	if err := release([]reservation{again}); err != nil {
		t.Error(err)
	}
}

func TestAPortOnWhichSomebodyListensIsNotReserved(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	_, err = reservePort(l.Addr().(*net.TCPAddr).Port)

	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v, want %v", err, syscall.EADDRINUSE)
	}
}
