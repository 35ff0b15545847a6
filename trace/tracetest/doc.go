// Package tracetest records what package trace makes: a [Recorder] is the telemetry of one test, with every span kept in memory and a metric registry of its
// own.
//
//	rec := tracetest.New()
//	ctx := rec.Context(t.Context())
//
//	doTheWork(ctx)
//
//	rec.AssertNoneOpen(t)
//	if got := rec.Metric("patron_consumer_messages_total", "patron_outcome", "dead"); got != 1 {
//		t.Errorf("dead messages: got %v, want 1", got)
//	}
//
// Nothing is global, so tests may run in parallel, each with a Recorder of its own. A Recorder starts no goroutine and needs no shutdown. Spans are there as
// soon as they ended; where another goroutine ends them (a server answers before its span ends), [Recorder.Await] waits without sleeping.
package tracetest
