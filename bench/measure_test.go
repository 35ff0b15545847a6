package bench_test

import "testing"

// measure runs op again and again. Beside the time on the clock it reports the time of the processor, which other programs disturb less: that is what is
// compared wherever one goroutine does all the work.
func measure(b *testing.B, op func()) {
	b.Helper()
	b.ReportAllocs()
	began := cpuTime()
	for b.Loop() {
		op()
	}
	reportCPU(b, cpuTime()-began)
}

func reportCPU(b *testing.B, spent float64) {
	b.Helper()
	if spent > 0 {
		b.ReportMetric(spent/float64(b.N), "cpu-ns/op")
	}
}
