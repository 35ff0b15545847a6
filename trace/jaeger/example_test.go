package jaeger_test

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/beatlabs/patron/trace/jaeger"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func ExampleNewExporter() {
	agent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}) // what listens on port 6831 elsewhere
	if err != nil {
		fmt.Println(err)
		return
	}
	defer agent.Close()

	exporter, err := jaeger.NewExporter("127.0.0.1", agent.LocalAddr().(*net.UDPAddr).Port)
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	_, span := provider.Tracer("example").Start(context.Background(), "greet")
	span.End()
	packet := make([]byte, jaeger.DefaultMaxPacketSize)
	n, err := agent.Read(packet)

	fmt.Println(n > 0, err, exporter.Dropped())
	fmt.Println(provider.Shutdown(context.Background()))
	// Output:
	// true <nil> 0
	// <nil>
}

func ExampleNewSampler() {
	sampler, err := jaeger.NewSampler("probabilistic", 0.01)
	root, _, _ := strings.Cut(sampler.Description(), ",")
	fmt.Println(root, err)

	_, err = jaeger.NewSampler("probabilistic", 2)
	fmt.Println(err)
	// Output:
	// ParentBased{root:TraceIDRatioBased{0.01} <nil>
	// jaeger: sampler probabilistic: parameter 2: want 0 to 1
}

func ExampleExporter_Drops() {
	exporter, err := jaeger.NewExporter("127.0.0.1", 6831, jaeger.WithMaxPacketSize(8192))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, reason := range []string{jaeger.DropTooLarge, jaeger.DropSendFailed} {
		fmt.Println(reason, exporter.Drops()[reason]())
	}
	// Output:
	// too_large 0
	// send_failed 0
}
