package patron

import (
	"context"
	"testing"

	plog "github.com/beatlabs/patron/log"
)

// BenchmarkStartToReady is the time from New to a service whose /ready answers 200, HTTP and management listener included. The bar is 30 ms.
func BenchmarkStartToReady(b *testing.B) {
	env, err := readEnvironment([]string{"PATRON_HTTP_DEFAULT_PORT=0"})
	if err != nil {
		b.Fatal(err)
	}
	logger := plog.New(plog.JSON(new(lines), nil))
	for b.Loop() {
		s, err := newService("bench", "1.0.0", env, nil, []OptionFunc{WithoutGlobals(), WithoutSignals(), WithLogger(logger)})
		if err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-s.Started()
		b.StopTimer()
		stop()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
