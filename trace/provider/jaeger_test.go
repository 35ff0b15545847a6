package provider

import (
	"net"
	"testing"

	"github.com/beatlabs/patron/trace/jaeger"
	"github.com/google/go-cmp/cmp"
)

var _ dropCounter = (*jaeger.Exporter)(nil)

func TestLossesOnTheWayToJaegerAreCountedOnce(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	port := conn.LocalAddr().(*net.UDPAddr).Port
	_ = conn.Close() // nobody listens
	e, err := jaeger.NewExporter("127.0.0.1", port)
	if err != nil {
		t.Fatal(err)
	}
	p := started(t, WithExporter(e), WithErrorHandler(func(error) {}))

	for range 3 {
		emit(p, "a", "b")
		_ = p.ForceFlush(t.Context())
	}
	if err := p.Shutdown(t.Context()); err == nil {
		t.Error("the last refusal: got no error")
	}

	if diff := cmp.Diff(map[string]uint64{"jaeger/send_failed": 6}, drops(p)); diff != "" {
		t.Errorf("drops (-want +got):\n%s", diff)
	}
}
