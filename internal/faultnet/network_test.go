package faultnet_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/beatlabs/patron/internal/faultnet"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo returns the address of a server that sends lines back.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, n *faultnet.Network, addr string) net.Conn {
	t.Helper()
	c, err := n.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask writes a line and returns the error of reading it back.
func ask(c net.Conn) error {
	if _, err := io.WriteString(c, "ping\n"); err != nil {
		return err
	}
	_, err := bufio.NewReader(c).ReadString('\n')
	return err
}

func TestANetworkThatIsDownBreaksConnectionsAndRefusesNewOnes(t *testing.T) {
	t.Parallel()
	n, addr := faultnet.New(), echo(t)
	c := dial(t, n, addr)
	if err := ask(c); err != nil {
		t.Fatal(err)
	}
	n.Down()
	if err := ask(c); err == nil {
		t.Error("a connection of before answers")
	}
	if _, err := n.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: got %v, want ECONNREFUSED", err)
	}
	n.Up()
	if err := ask(dial(t, n, addr)); err != nil {
		t.Errorf("after Up: %v", err)
	}
	if open, dials := n.Conns(); open != 1 || dials != 3 {
		t.Errorf("got %d connections open of %d dials, want 1 of 3", open, dials)
	}
}

func TestAStalledConnectionIsSilent(t *testing.T) {
	t.Parallel()
	n, addr := faultnet.New(), echo(t)
	c := dial(t, n, addr)
	n.Stall()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := ask(c); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ask: got %v, want a read that waits for its deadline", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := n.DialContext(ctx, "tcp", addr); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("dial: got %v, want one that blocks until its context ends", err)
	}
	n.Up()
	if err := ask(c); err == nil {
		t.Error("a connection that lost bytes answers")
	}
	if err := ask(dial(t, n, addr)); err != nil {
		t.Errorf("after Up: %v", err)
	}
}
