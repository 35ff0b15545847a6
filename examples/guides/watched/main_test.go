package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/beatlabs/patron/examples/guides/session"
)

func TestMain(m *testing.M) { session.Main(m, main) }

func TestTheGuideShowsWhatHappens(t *testing.T) {
	t.Parallel()
	s := session.Start(t, "OTEL_TRACES_SAMPLER=always_on")
	s.Type("order.txt")
	s.Await("order processed")
	s.Type("metrics.txt")
	spans := s.Interrupt("run.txt", "OTEL_TRACES_SAMPLER=always_on go run . >spans.json")

	// The spans of one request end in any order.
	names := regexp.MustCompile(`"name":"[^"]*","kind":"[^"]*"`).FindAllString(spans, -1)
	slices.Sort(names)
	s.Compare("spans.txt", `$ grep -o '"name":"[^"]*","kind":"[^"]*"' spans.json | sort`+"\n"+strings.Join(names, "\n")+"\n")
	if traces := regexp.MustCompile(`"trace_id":"[^"]*"`).FindAllString(spans, -1); len(slices.Compact(traces)) != 1 {
		t.Errorf("got the traces %v, want one", traces)
	}
}
