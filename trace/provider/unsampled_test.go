package provider

import (
	"context"
	"fmt"
	"testing"

	"github.com/beatlabs/patron/correlation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// parents are the spans below which a span may start.
func parents(t *testing.T) map[string]oteltrace.SpanContext {
	t.Helper()
	state, err := oteltrace.ParseTraceState("vendor=1")
	if err != nil {
		t.Fatal(err)
	}
	pp := map[string]oteltrace.SpanContext{
		"none":             {},
		"trace ID only":    oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: oteltrace.TraceID{1}}),
		"span ID only":     oteltrace.NewSpanContext(oteltrace.SpanContextConfig{SpanID: oteltrace.SpanID{1}}),
		"state, but no ID": oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceState: state}),
	}
	for _, remote := range []bool{true, false} {
		for _, flags := range []oteltrace.TraceFlags{0, oteltrace.FlagsSampled, oteltrace.FlagsRandom, oteltrace.FlagsRandom | oteltrace.FlagsSampled} {
			pp[fmt.Sprintf("remote %t, flags %v", remote, flags)] = oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
				TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{1}, TraceFlags: flags, TraceState: state, Remote: remote,
			})
		}
	}
	return pp
}

func TestWhatIsDroppedIsWhatTheSDKWouldHaveMade(t *testing.T) {
	t.Parallel()
	always, never, all, none := sdktrace.AlwaysSample(), sdktrace.NeverSample(), sdktrace.TraceIDRatioBased(1), sdktrace.TraceIDRatioBased(0)
	drops := make(map[string]int)
	for name, sampler := range map[string]sdktrace.Sampler{
		"always": always, "never": never, "all": all, "none": none, "half": sdktrace.TraceIDRatioBased(0.5), "record only": recordOnly{},
		"parent based, always": sdktrace.ParentBased(always), "parent based, never": sdktrace.ParentBased(never),
		"parent based, all": sdktrace.ParentBased(all), "parent based, none": sdktrace.ParentBased(none),
		"parent based, half":                sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.5)),
		"parent based, rescues":             sdktrace.ParentBased(never, sdktrace.WithRemoteParentNotSampled(always)),
		"always record, never":              sdktrace.AlwaysRecord(never),
		"not comparable":                    listing{make([]string, 1)},
		"parent based, root not comparable": sdktrace.ParentBased(listing{make([]string, 1)}),
	} {
		tracer := started(t, WithSampler(sampler), WithIDGenerator(ids{})).TracerProvider().Tracer("scope")
		for parent, sc := range parents(t) {
			ctx := oteltrace.ContextWithSpanContext(t.Context(), sc)
			dropped, span, ok := tracer.(interface {
				Drop(ctx context.Context) (context.Context, oteltrace.Span, bool)
			}).Drop(ctx)
			if !ok {
				if span != nil || dropped != ctx {
					t.Errorf("%s, parent %s: got %v and another context without a drop", name, parent, span)
				}
				continue
			}
			drops[name]++
			_, want := tracer.Start(ctx, "name")
			if !span.SpanContext().Equal(want.SpanContext()) || span.IsRecording() != want.IsRecording() {
				t.Errorf("%s, parent %s: got %+v, want %+v", name, parent, span.SpanContext(), want.SpanContext())
			}
			if oteltrace.SpanFromContext(dropped) != span {
				t.Errorf("%s, parent %s: the context does not carry the span", name, parent)
			}
		}
	}
	for name, want := range map[string]int{
		"never": 7, "none": 7, "parent based, never": 7, "parent based, none": 7, "parent based, always": 4, "parent based, all": 4,
	} {
		if drops[name] != want {
			t.Errorf("%s: got %d drops, want %d", name, drops[name], want)
		}
		delete(drops, name)
	}
	if len(drops) > 0 {
		t.Errorf("samplers that have to be asked: got drops %v, want none", drops)
	}
}

// listing is a sampler that keeps the name of the last span that it was asked for.
type listing struct{ asked []string }

func (l listing) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	l.asked[0] = p.Name
	return sdktrace.SamplingResult{}
}

func (listing) Description() string { return "listing" }

func TestADroppedSpanDoesNothing(t *testing.T) {
	t.Parallel()
	p := started(t, WithSampler(sdktrace.NeverSample()))
	tr, ok := p.TracerProvider().Tracer("scope").(*tracer)
	if !ok {
		t.Fatal("the tracer is not ours")
	}
	ctx := correlation.ContextWithID(t.Context(), "abc")

	ctx, s, ok := tr.Drop(ctx)
	if !ok {
		t.Fatal("got no drop of a sampler that samples nothing")
	}
	s.SetName("other")
	s.AddEvent("event")
	s.AddLink(oteltrace.Link{})
	s.SetAttributes()
	s.RecordError(errExport)
	s.SetStatus(2, "")
	s.End()

	if s.TracerProvider() != p.TracerProvider() {
		t.Error("TracerProvider: got another one")
	}
	if correlation.IDFromContext(ctx) != "abc" {
		t.Error("the context has lost its values")
	}
	if a, _, _ := tr.Drop(t.Context()); oteltrace.SpanContextFromContext(a).TraceID() == s.SpanContext().TraceID() {
		t.Error("two traces have the same ID")
	}
	_, child, ok := tr.Drop(ctx)
	if got, of := child.SpanContext(), s.SpanContext(); !ok || got.TraceID() != of.TraceID() || got.SpanID() == of.SpanID() {
		t.Errorf("a child: got %v, want the trace of its parent %v", got, of)
	}
}

func TestNothingIsDroppedBeforeStartAndAfterShutdown(t *testing.T) {
	t.Parallel()
	p := mustNew(t, WithSampler(sdktrace.NeverSample()))
	tr, ok := p.TracerProvider().Tracer("scope").(*tracer)
	if !ok {
		t.Fatal("the tracer is not ours")
	}
	_, _, before := tr.Drop(t.Context())
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, running := tr.Drop(t.Context())
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, after := tr.Drop(t.Context())

	if before || !running || after { // what the noop provider makes has no new IDs
		t.Errorf("got a drop before Start %t, then %t, after Shutdown %t, want false, true, false", before, running, after)
	}
}

func TestADropThatIsRefusedDoesNotAskTheSampler(t *testing.T) {
	t.Parallel()
	asked := make([]string, 1)
	tr, ok := started(t, WithSampler(listing{asked})).TracerProvider().Tracer("scope").(*tracer)
	if !ok {
		t.Fatal("the tracer is not ours")
	}
	if _, _, ok := tr.Drop(t.Context()); ok || asked[0] != "" {
		t.Errorf("got a drop %t and a question for %q, want neither", ok, asked[0])
	}
}
