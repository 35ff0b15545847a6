package tracetest

// Metric returns the value of the metric with the given name in the registry of r: of a counter or gauge its value, of a histogram how many values it
// observed; of several series the sum. Labels are pairs of name and value: a series counts if it has them all, whatever else it has; a last name without a
// value means any value. What is not there is 0.
//
//	rec.Metric("patron_consumer_messages_total", "patron_outcome", "dead")
func (r *Recorder) Metric(name string, labels ...string) float64 {
	families, _ := r.telemetry.Metrics().Gatherer().Gather() // a collector that fails leaves the others readable
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			got := make(map[string]string, len(m.GetLabel()))
			for _, pair := range m.GetLabel() {
				got[pair.GetName()] = pair.GetValue()
			}
			if matches(got, labels) {
				// A series is of one kind, and what it is not reads 0.
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue() +
					float64(m.GetHistogram().GetSampleCount()) + float64(m.GetSummary().GetSampleCount())
			}
		}
	}
	return sum
}

func matches(got map[string]string, labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		value, ok := got[labels[i]]
		if !ok || i+1 < len(labels) && value != labels[i+1] {
			return false
		}
	}
	return true
}
