package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRatiosAreThoseOfTheRounds(t *testing.T) {
	t.Parallel()
	base, hand := []float64{100, 200, 100}, []float64{1100, 2200, 1100} // the second round was disturbed
	values := []float64{200, 400, 200}

	if got := ratio(values, base); got != 2 {
		t.Errorf("ratio: got %v, want 2", got)
	}
	if got := overhead(values, base, hand); math.Abs(got-0.1) > 1e-9 {
		t.Errorf("overhead: got %v, want 0.1", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median: got %v, want 2.5", got)
	}
}

func TestTheTableSaysWhichBarsAreMet(t *testing.T) {
	t.Parallel()
	http := func(who string, allocs float64, values ...float64) row {
		return row{what: "HTTP/GET/unsampled", who: who, values: values, bytes: 240, allocs: allocs, counted: true}
	}
	rows := arrange(
		[]row{{what: "Engine/concurrency-1", who: "loop", values: []float64{650}, cpu: []float64{640}, counted: true, allocs: 4}},
		[]row{
			http("net-http", 4, 700, 720), http("otelhttp", 41, 6700, 6720), http("patron", 12, 1500, 1520),
		},
		[]row{
			{what: "Size/stripped", who: "reference", unit: size, values: []float64{10e6}},
			{what: "Size/stripped", who: "patron", unit: size, values: []float64{11e6}},
		},
	)
	var b bytes.Buffer

	table{rows: rows}.write(&b)

	want := `| what | who | median (min–max) | × base | overhead ÷ otelhttp | CPU | B | allocs | bar |
|---|---|---|---|---|---|---|---|---|
| HTTP/GET/unsampled | net-http | 710 ns (700–720) | 1.00 | 0.00 |  | 240 | 4 |  |
|  | otelhttp | 6710 ns (6700–6720) | 9.45 | 1.00 |  | 240 | 41 |  |
|  | patron | 1510 ns (1500–1520) | 2.13 | 0.13 |  | 240 | 12 | overhead ≤ 0.15: met; allocs ≤ 11: **NOT MET** (12) |
| Engine/concurrency-1 | loop | 650 ns | 1.00 |  | 640 ns (1.00 ×) | 0 | 4 |  |
| Size/stripped | reference | 10.0 MB | 1.00 |  |  |  |  |  |
|  | patron | 11.0 MB | 1.10 |  |  |  |  | ≤ 1.15 × reference: met |
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestABarWithoutARowIsAnError(t *testing.T) {
	t.Parallel()
	err := table{rows: []row{{what: "Size/stripped", who: "patron"}}}.checkBars()

	for _, want := range []string{"Size/stripped/reference", "HTTP/GET/unsampled/patron", "Engine/concurrency-1/loop"} {
		if err == nil || !strings.Contains(err.Error(), "there is no "+want) {
			t.Errorf("got %v, want %s named", err, want)
		}
	}
}

func TestABarThatCouldNotBeMeasuredSaysSo(t *testing.T) {
	t.Parallel()
	only := row{what: "Log/5-fields", who: "patron-slog", values: []float64{1}}

	if got := (table{rows: []row{only}}).verdict(only); !strings.Contains(got, "not measured") {
		t.Errorf("got %q", got)
	}
}

func TestLinesOfBenchmarksAreRead(t *testing.T) {
	t.Parallel()
	l, ok, err := parseLine("BenchmarkEngine/handler-20µs/patron-4-2 \t 1000\t 21839 ns/op\t 20000 cpu-ns/op\t 241 B/op\t 3 allocs/op\n", 2)
	if err != nil || !ok {
		t.Fatalf("got %v, %v", ok, err)
	}
	if what, who := l.names(); what != "Engine/handler-20µs" || who != "patron-4" {
		t.Errorf("got %s and %s", what, who)
	}
	if diff := cmp.Diff(map[string]float64{"ns/op": 21839, "cpu-ns/op": 20000, "B/op": 241, "allocs/op": 3}, l.metrics); diff != "" {
		t.Error(diff)
	}
	for _, other := range []string{"PASS", "goos: linux", "ok  \tgithub.com/beatlabs/patron/bench\t1s", ""} {
		if _, ok, err := parseLine(other, 1); ok || err != nil {
			t.Errorf("%q: got %v, %v, want no benchmark", other, ok, err)
		}
	}
	if _, _, err := parseLine("BenchmarkX 1 many ns/op", 1); err == nil {
		t.Error("got no error for a number that is none")
	}
}

func TestWhatWrkSaysIsRead(t *testing.T) {
	t.Parallel()
	const said = `Running 1s test @ http://127.0.0.1:1/
  1 threads and 16 connections
  91234 requests in 1.10s, 20.10MB read
Requests/sec:  82940.00
`
	requests, took, err := parseWrk(said)
	if err != nil || requests != 91234 || took != 1.1 {
		t.Errorf("got %v requests in %v s and %v", requests, took, err)
	}
	for _, wrong := range []string{
		"", "  0 requests in 1.00s, 0.00B read", said + "  Non-2xx or 3xx responses: 12\n", said + "  Socket errors: connect 0, read 16\n",
	} {
		if _, _, err := parseWrk(wrong); err == nil {
			t.Errorf("%q: got no error", wrong)
		}
	}
}

func TestADocumentKeepsWhatIsAroundTheMarkers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "performance.md")
	if err := os.WriteFile(path, []byte("before\n"+beginMarker+"old\n"+endMarker+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	for range 2 { // again and again
		if err := rewrite(path, "new\n"); err != nil {
			t.Fatal(err)
		}
	}

	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("before\n"+beginMarker+"\nnew\n\n"+endMarker+"after\n", string(got)); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(path, []byte("no markers"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rewrite(path, "new\n"); err == nil {
		t.Error("got no error for a document without markers")
	}
}
