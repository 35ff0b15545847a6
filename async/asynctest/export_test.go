package asynctest

import "testing"

// SimulationText returns what Simulate would end the test with, "" if it would not.
func SimulationText(t *testing.T, seed uint64, app func() App, oo ...SimulationFunc) string {
	t.Helper()
	s, err := newSimulation(seed, app, oo)
	if err != nil {
		t.Fatal(err)
	}
	text := s.run(t).Failure
	if text == "" {
		return ""
	}
	return "asynctest: simulation: " + text
}
