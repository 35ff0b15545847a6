package nats_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
)

// broker is the server that all tests share. Each has streams of its own.
var broker *server.Server

func TestMain(m *testing.M) { goleak.VerifyTestMain(withBroker{m}) }

// withBroker runs the tests while there is a server.
type withBroker struct{ *testing.M }

func (m withBroker) Run() int {
	dir, err := os.MkdirTemp("", "jetstream")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	broker, err = server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true, MaxPayload: 4 << 20,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	broker.Start()
	defer broker.WaitForShutdown()
	defer broker.Shutdown()
	if !broker.ReadyForConnections(10 * time.Second) {
		fmt.Fprintln(os.Stderr, "the server is not ready")
		return 1
	}
	return m.M.Run()
}

var named atomic.Int64

// connect returns a connection that ends with the test.
func connect(tb testing.TB, oo ...nats.Option) *nats.Conn {
	tb.Helper()
	conn, err := nats.Connect(broker.ClientURL(), append(oo, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))...)
	if err != nil {
		tb.Fatal(err)
	}
	return conn
}
