package sarama

import "github.com/rcrowley/go-metrics"

// silence is a registry of the client's own metrics that keeps none: a meter of that library starts a goroutine that never ends. Who wants the metrics sets a
// registry by [WithClientConfig].
type silence struct{ metrics.Registry }

func newSilence() metrics.Registry { return silence{metrics.NewRegistry()} }

// GetOrRegister implements metrics.Registry.
func (s silence) GetOrRegister(_ string, metric any) any {
	switch metric.(type) {
	case func() metrics.Counter, metrics.Counter:
		return metrics.NilCounter{}
	case func() metrics.Meter, metrics.Meter:
		return metrics.NilMeter{}
	default:
		return metrics.NilHistogram{}
	}
}

// Register implements metrics.Registry.
func (silence) Register(string, any) error { return nil }

// Unregister implements metrics.Registry.
func (silence) Unregister(string) {}

// UnregisterAll implements metrics.Registry.
func (silence) UnregisterAll() {}
