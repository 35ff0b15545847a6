package metric

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Opts describes a metric.
type Opts struct {
	Name    string    // with its unit, as in http_server_request_duration_seconds
	Help    string    // one sentence
	Labels  []string  // names, in the order in which With takes the values
	Buckets []float64 // of a histogram, ascending upper bounds; nil: DurationBuckets
}

// DurationBuckets returns the upper bounds in seconds that the OpenTelemetry semantic conventions prescribe for durations.
func DurationBuckets() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
}

func (o Opts) clone() Opts {
	o.Labels, o.Buckets = slices.Clone(o.Labels), slices.Clone(o.Buckets)
	return o
}

func (o Opts) equal(p Opts) bool {
	return o.Name == p.Name && o.Help == p.Help && slices.Equal(o.Labels, p.Labels) && slices.Equal(o.Buckets, p.Buckets)
}

// check finds what client_golang finds only when the first child is made, by a panic.
func (o Opts) check() error {
	if o.Buckets != nil && slices.Contains(o.Labels, "le") {
		return errors.New(`label "le": it belongs to the buckets`)
	}
	for i, bound := range o.Buckets {
		if math.IsNaN(bound) || i > 0 && bound <= o.Buckets[i-1] {
			return fmt.Errorf("buckets %v: want ascending bounds", o.Buckets)
		}
	}
	return nil
}

// harmless returns o with labels and buckets of which nothing can panic.
func (o Opts) harmless() Opts {
	o = o.clone()
	for i := range o.Labels {
		o.Labels[i] = fmt.Sprintf("label_%d", i)
	}
	if o.Buckets != nil {
		o.Buckets = DurationBuckets()
	}
	return o
}

// labels names the values, so that the order of the names in an equal collector that was registered before does not matter.
func (o Opts) labels(values []string) prometheus.Labels {
	labels := make(prometheus.Labels, len(o.Labels))
	for i, name := range o.Labels {
		labels[name] = values[i]
	}
	return labels
}
