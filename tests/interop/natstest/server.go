package natstest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Server is a server that can be restarted; what is in its streams stays. Its methods may be called concurrently. Make it with [Start].
type Server struct {
	mu      sync.Mutex // guards everything below
	options server.Options
	server  *server.Server
}

// Start starts a server that stores its streams in dir.
func Start(dir string) (*Server, error) {
	s := &Server{options: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true, MaxPayload: 4 << 20,
	}}
	if err := s.startLocked(); err != nil { // nobody else knows s yet
		return nil, err
	}
	return s, nil
}

func (s *Server) startLocked() error {
	options := s.options
	running, err := server.NewServer(&options)
	if err != nil {
		return fmt.Errorf("natstest: %w", err)
	}
	running.Start()
	if !running.ReadyForConnections(10 * time.Second) {
		running.Shutdown()
		return errors.New("natstest: the server is not ready after 10s")
	}
	s.server = running
	s.options.Port = options.Port // which it keeps
	return nil
}

// Restart stops the server, which breaks all connections, and starts it again with the same address and the same streams.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server.Shutdown()
	s.server.WaitForShutdown()
	return s.startLocked()
}

// Stop stops the server. It returns when no goroutine of it is left.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// URL returns its address.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server.ClientURL()
}

// Connect returns a connection that reconnects for ever. The caller closes it.
func (s *Server) Connect(tb testing.TB, oo ...nats.Option) *nats.Conn {
	tb.Helper()
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}) // a test breaks connections on purpose
	conn, err := nats.Connect(s.URL(), append(oo, quiet, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))...)
	if err != nil {
		tb.Fatal(err)
	}
	return conn
}

// Main is the goleak.TestingM of tests that share a server: Run runs them while there is one, and gives it to Use before.
type Main struct {
	*testing.M

	Use func(*Server)
}

// Run implements goleak.TestingM.
func (m Main) Run() int {
	code, err := m.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func (m Main) run() (code int, err error) {
	dir, err := os.MkdirTemp("", "natstest")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := Start(dir)
	if err != nil {
		return 0, err
	}
	defer s.Stop()
	m.Use(s)
	return m.M.Run(), nil
}
