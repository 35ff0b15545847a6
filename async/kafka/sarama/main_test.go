package sarama_test

import (
	"testing"

	"github.com/rcrowley/go-metrics"
	"go.uber.org/goleak"
)

// TestMain starts the one goroutine that the client library needs for the whole process, and never ends, before any test looks: its requests to fetch use the
// default registry of go-metrics, whatever registry it is given.
func TestMain(m *testing.M) {
	metrics.NewMeter().Stop()
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}
