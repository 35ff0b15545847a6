package provider

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
)

func TestNewSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()

	p, err := New("", "",
		nil,
		WithSampler(nil),
		WithExporter(nil),
		WithExporter(&recorder{}, WithQueueSize(0), WithBatchSize(-1), WithDelay(0), WithExportTimeout(-time.Second), nil),
		WithSyncExporter(nil),
		WithSpanProcessor(nil),
		WithResource(attribute.String("", "x")),
		WithIDGenerator(nil),
		WithPropagators("xray"),
		WithErrorHandler(nil),
	)

	if p != nil || err == nil {
		t.Fatalf("got %v, %v, want an error", p, err)
	}
	for _, want := range []string{
		"trace provider: name is empty", "option 0 is nil", "sampler is nil", "\nexporter is nil",
		"exporter provider.recorder: queue size 0: want at least 1", "batch size -1: want at least 1", "delay 0s: want more than 0",
		"export timeout -1s: want more than 0", "option 4 is nil", "sync exporter is nil", "span processor is nil",
		"resource attribute 0: key is empty", "ID generator is nil", `unknown propagator "xray"`, "error handler is nil",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to contain %q", err, want)
		}
	}
}

func TestSpansRecordOnlyWhileTheProviderRuns(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	p := mustNew(t, WithExporter(r))
	early := p.TracerProvider().Tracer("early")
	remote := oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: oteltrace.TraceID{7}, SpanID: oteltrace.SpanID{8}, TraceFlags: 1, Remote: true})
	ctx := oteltrace.ContextWithSpanContext(t.Context(), remote)
	span := func(name string) (recording bool, sc oteltrace.SpanContext) {
		_, s := early.Start(ctx, name)
		defer s.End()
		return s.IsRecording(), s.SpanContext()
	}

	before, passed := span("before")
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	during, own := span("during")
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, _ := span("after")

	if before || !during || after {
		t.Errorf("recording: got %t, %t, %t before, during and after, want false, true, false", before, during, after)
	}
	if passed.TraceID() != remote.TraceID() || passed.SpanID() != remote.SpanID() {
		t.Errorf("before: got %v, want the remote span to be passed on", passed)
	}
	if own.TraceID() != remote.TraceID() || own.SpanID() == remote.SpanID() {
		t.Errorf("during: got %v, want a new span of the remote trace", own)
	}
	if diff := cmp.Diff([]string{"during"}, r.names()); diff != "" {
		t.Errorf("exported (-want +got):\n%s", diff)
	}
}

func TestTracersAreMadeOnce(t *testing.T) {
	t.Parallel()
	p := started(t)
	tp := p.TracerProvider()

	if tp != p.TracerProvider() {
		t.Error("TracerProvider: got two different values")
	}
	a := tp.Tracer("a", oteltrace.WithInstrumentationVersion("1"))
	if a != tp.Tracer("a", oteltrace.WithInstrumentationVersion("1")) {
		t.Error("the same scope: got two tracers, want one")
	}
	if a == tp.Tracer("a") || a == tp.Tracer("b", oteltrace.WithInstrumentationVersion("1")) {
		t.Error("another scope: got the same tracer")
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	p := mustNew(t)
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errExport)

	if err := p.Start(ended); !errors.Is(err, errExport) {
		t.Errorf("start with a context that has ended: got %v, want its cause", err)
	}
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Errorf("flush before start: got %v, want nil", err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Errorf("start: got %v, want nil", err)
	}
	if err := p.Start(t.Context()); !errors.Is(err, ErrStarted) {
		t.Errorf("second start: got %v, want ErrStarted", err)
	}
	if first, second := p.Shutdown(t.Context()), p.Shutdown(t.Context()); first != nil || second != nil {
		t.Errorf("shutdown: got %v and %v, want nil twice", first, second)
	}
	if err := p.Start(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("start after shutdown: got %v, want ErrStopped", err)
	}
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Errorf("flush after shutdown: got %v, want nil", err)
	}
}

func TestShutdownWithoutStartShutsExportersDown(t *testing.T) {
	t.Parallel()
	batched, synced, processor := &recorder{}, &recorder{}, &watcher{}
	p := mustNew(t, WithExporter(batched), WithSyncExporter(synced), WithSpanProcessor(processor))

	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	if batched.shutdowns != 1 || synced.shutdowns != 1 || processor.shutdowns != 1 {
		t.Errorf("got %d, %d and %d shutdowns, want one each", batched.shutdowns, synced.shutdowns, processor.shutdowns)
	}
}

func TestStartingAndStoppingConcurrently(t *testing.T) {
	t.Parallel()
	for range 50 {
		p := mustNew(t, WithExporter(&recorder{}))
		var wg sync.WaitGroup
		wg.Go(func() { _ = p.Start(t.Context()) })
		wg.Go(func() { _ = p.Shutdown(t.Context()) })
		wg.Go(func() { _ = p.ForceFlush(t.Context()) })
		wg.Go(func() { emit(p, "a", "b") })
		wg.Wait()
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryExporterGetsEverySpan(t *testing.T) {
	t.Parallel()
	first, second, synced := &recorder{}, &recorder{}, &recorder{}
	p := started(t, WithExporter(first), WithExporter(second), WithSyncExporter(synced))

	emit(p, "a", "b")
	inTime := synced.names()
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}

	for name, got := range map[string][]string{"first": first.names(), "second": second.names(), "sync, before the flush": inTime} {
		if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSpansThatAreNotSampledAreNotExported(t *testing.T) {
	t.Parallel()
	r, synced := &recorder{}, &recorder{}
	p := started(t, WithExporter(r), WithSyncExporter(synced), WithSampler(recordOnly{}))

	emit(p, "recorded but not sampled")
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got := append(r.names(), synced.names()...); len(got) != 0 {
		t.Errorf("got %v, want nothing", got)
	}
}

type recordOnly struct{ sdktrace.Sampler }

func (recordOnly) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return sdktrace.SamplingResult{Decision: sdktrace.RecordOnly}
}

func TestWhatIsSetReachesTheSpan(t *testing.T) {
	t.Parallel()
	mem := tracetest.NewInMemoryExporter()
	p := started(t, WithSyncExporter(mem),
		WithResource(attribute.String("host.name", "a1"), attribute.String("service.version", "old")),
		WithResource(attribute.String("service.version", "override")),
		WithIDGenerator(ids{}))

	_, s := p.TracerProvider().Tracer("scope").Start(t.Context(), "name")
	s.SetAttributes(attribute.String("long", strings.Repeat("x", DefaultAttributeValueLength+1)))
	for range 200 {
		s.AddEvent("event")
	}
	s.End()
	got := mem.GetSpans()[0]

	if got.SpanContext.TraceID() != (oteltrace.TraceID{1}) || got.SpanContext.SpanID() != (oteltrace.SpanID{2}) {
		t.Errorf("got IDs %v, want those of the generator", got.SpanContext)
	}
	if n := len(got.Attributes[0].Value.AsString()); n != DefaultAttributeValueLength {
		t.Errorf("a long value: got %d characters, want %d", n, DefaultAttributeValueLength)
	}
	if len(got.Events) != 128 || got.DroppedEvents != 72 {
		t.Errorf("got %d events, %d dropped, want 128 and 72", len(got.Events), got.DroppedEvents)
	}
	set := got.Resource.Set()
	for key, want := range map[attribute.Key]string{
		"service.name": "orders", "service.version": "override", "host.name": "a1", "telemetry.sdk.language": "go", "telemetry.sdk.name": "opentelemetry",
	} {
		if v, _ := set.Value(key); v.AsString() != want {
			t.Errorf("resource, %s: got %q, want %q", key, v.AsString(), want)
		}
	}
	if !p.Resource().Equal(got.Resource) {
		t.Errorf("Resource: got %v, want that of the span, %v", p.Resource(), got.Resource)
	}
}

type ids struct{}

func (ids) NewIDs(context.Context) (oteltrace.TraceID, oteltrace.SpanID) {
	return oteltrace.TraceID{1}, oteltrace.SpanID{2}
}

func (ids) NewSpanID(context.Context, oteltrace.TraceID) oteltrace.SpanID { return oteltrace.SpanID{3} }

func TestSpanLimitsAreSet(t *testing.T) {
	t.Parallel()
	mem := tracetest.NewInMemoryExporter()
	p := started(t, WithSyncExporter(mem), WithSpanLimits(sdktrace.SpanLimits{AttributeCountLimit: 1, AttributeValueLengthLimit: -1}))

	_, s := p.TracerProvider().Tracer("scope").Start(t.Context(), "name")
	s.SetAttributes(attribute.Int("a", 1), attribute.Int("b", 2))
	s.AddEvent("never")
	s.End()

	if got := mem.GetSpans()[0]; len(got.Attributes) != 1 || got.DroppedAttributes != 1 || len(got.Events) != 0 {
		t.Errorf("got %d attributes, %d dropped, %d events, want 1, 1, 0", len(got.Attributes), got.DroppedAttributes, len(got.Events))
	}
}

func TestEnvironmentDoesNotOverride(t *testing.T) { // not parallel: it sets variables
	t.Setenv("OTEL_SERVICE_NAME", "from-env")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=9,region=eu")
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	t.Setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0")
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
	r, mem := &recorder{}, tracetest.NewInMemoryExporter()
	p := started(t, WithExporter(r), WithSyncExporter(mem))

	_, s := p.TracerProvider().Tracer("scope").Start(t.Context(), "name")
	s.SetAttributes(attribute.Int("a", 1))
	s.End()
	emit(p, "b", "c")
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([]int{3}, r.sizes()); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	got := mem.GetSpans()[0]
	if len(got.Attributes) != 1 {
		t.Errorf("got %d attributes, want 1", len(got.Attributes))
	}
	for key, want := range map[attribute.Key]string{"service.name": "orders", "service.version": "1.2.3"} {
		if v, _ := got.Resource.Set().Value(key); v.AsString() != want {
			t.Errorf("%s: got %q, want %q", key, v.AsString(), want)
		}
	}
}

// watcher is a span processor that counts, and may ignore its context.
type watcher struct {
	stuck chan struct{}

	mu                               sync.Mutex
	starts, ends, flushes, shutdowns int
}

var _ sdktrace.SpanProcessor = (*watcher)(nil)

func (w *watcher) count(n *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*n++
}

func (w *watcher) OnStart(context.Context, sdktrace.ReadWriteSpan) { w.count(&w.starts) }
func (w *watcher) OnEnd(sdktrace.ReadOnlySpan)                     { w.count(&w.ends) }
func (w *watcher) ForceFlush(context.Context) error                { w.count(&w.flushes); return errExport }

func (w *watcher) Shutdown(context.Context) error {
	w.count(&w.shutdowns)
	if w.stuck != nil {
		<-w.stuck
	}
	return nil
}

func TestSpanProcessorIsPartOfTheProvider(t *testing.T) {
	t.Parallel()
	w := &watcher{}
	p := started(t, WithSpanProcessor(w))

	emit(p, "a", "b")
	flushed := p.ForceFlush(t.Context())
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	if !errors.Is(flushed, errExport) || !strings.Contains(flushed.Error(), "span processor *provider.watcher: flush: ") {
		t.Errorf("flush: got %v, want its error with the processor named", flushed)
	}
	if w.starts != 2 || w.ends != 2 || w.flushes != 1 || w.shutdowns != 1 {
		t.Errorf("got %d starts, %d ends, %d flushes, %d shutdowns, want 2, 2, 1, 1", w.starts, w.ends, w.flushes, w.shutdowns)
	}
}

func TestShutdownIsBoundedAndOneThatHangsCostsTheOthersNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := &watcher{stuck: make(chan struct{})}
		deaf := &recorder{gate: make(chan struct{})}
		good := &recorder{}
		p := mustNew(t, WithSpanProcessor(stuck), WithExporter(deaf), WithExporter(good))
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		emit(p, "a", "b", "c")

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := p.Shutdown(ctx)

		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("took %v, want 3s", got)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want deadline exceeded", err)
		}
		for _, want := range []string{"span processor *provider.watcher: shutdown: context deadline exceeded", "exporter provider.recorder: shutdown: "} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got %q, want it to contain %q", err, want)
			}
		}
		if diff := cmp.Diff([]string{"a", "b", "c"}, good.names()); diff != "" {
			t.Errorf("the good exporter (-want +got):\n%s", diff)
		}
		close(stuck.stuck)
		synctest.Wait()
		if diff := cmp.Diff(map[string]uint64{"provider.recorder/export_failed": 3}, drops(p)); diff != "" {
			t.Errorf("drops (-want +got):\n%s", diff)
		}
	})
}

func TestDropsListsAllReasonsFromTheStart(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	counted := &counting{recorder: recorder{}, lost: map[string]func() uint64{"too_large": func() uint64 { return 2 }, DropShutdown: func() uint64 { return 3 }}}
	p := mustNew(t, WithExporter(r), WithExporter(&recorder{}), WithSyncExporter(&recorder{}), WithExporter(counted))

	var got []string
	for _, d := range p.Drops() {
		got = append(got, d.Exporter+"/"+d.Reason)
	}

	want := []string{
		"counting/export_failed", "counting/queue_full", "counting/shutdown", "counting/too_large",
		"provider.recorder/export_failed", "provider.recorder/queue_full", "provider.recorder/shutdown",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]uint64{"counting/too_large": 2, "counting/shutdown": 3}, drops(p)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

// counting is an exporter that counts its losses itself.
type counting struct {
	recorder
	lost map[string]func() uint64
}

func (c *counting) Drops() map[string]func() uint64 { return c.lost }
func (c *counting) String() string                  { return "counting" }

func TestSyncExporterTellsItsFailures(t *testing.T) {
	t.Parallel()
	var got []string
	r := &recorder{err: errExport}
	p := started(t, WithSyncExporter(r), WithErrorHandler(func(err error) { got = append(got, err.Error()) }))

	_, late := p.TracerProvider().Tracer("test").Start(t.Context(), "late")
	emit(p, "a", "b")
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	late.End()

	if diff := cmp.Diff([]string{"exporter provider.recorder: back end away"}, got); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]uint64{"provider.recorder/export_failed": 2}, drops(p)); diff != "" {
		t.Errorf("drops (-want +got):\n%s", diff)
	}
}
