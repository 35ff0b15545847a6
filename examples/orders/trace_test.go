package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// span is a line of the file of -traces.
type span struct {
	TraceID    string         `json:"trace_id"`
	ID         string         `json:"span_id"`
	Parent     string         `json:"parent_span_id"`
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	Attributes map[string]any `json:"attributes"`
	Events     []struct{ Name string }
}

// readSpans reads the spans of a trace, and checks every line.
func readSpans(tb testing.TB, path, traceID string) []span {
	tb.Helper()
	content := string(readFile(tb, path))
	if !strings.HasSuffix(content, "\n") {
		tb.Errorf("%s does not end with a whole line", path)
	}
	var spans []span
	for line := range strings.Lines(content) {
		var s span
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			tb.Errorf("%v: %s", err, line)
		}
		if s.TraceID == traceID {
			spans = append(spans, s)
		}
	}
	return spans
}

func TestOneTraceLeadsFromTheRequestToTheServerOfStock(t *testing.T) {
	t.Parallel()
	const traceID, parent, correlation = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "tour-1.a_b"
	path := t.TempDir() + "/traces"
	s := openShop(t, settings{stockFailures: true, traces: path})

	r := s.do(http.MethodPost, "/orders", bodyOf(t, failing, "ann"),
		"traceparent", "00-"+traceID+"-"+parent+"-01", "X-Correlation-ID", correlation)
	s.finished(1)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	if r.status != http.StatusAccepted || r.header.Get("X-Correlation-ID") != correlation {
		t.Errorf("got %d, correlation ID %q, want 202, %q", r.status, r.header.Get("X-Correlation-ID"), correlation)
	}
	spans := readSpans(t, path, traceID)
	parents := map[string]string{parent: "caller"}
	for _, sp := range spans {
		parents[sp.ID] = sp.Name
		if sp.Attributes["patron.correlation_id"] != correlation {
			t.Errorf("%s: got correlation ID %v, want %s", sp.Name, sp.Attributes["patron.correlation_id"], correlation)
		}
	}
	got := map[string]int{}
	for _, sp := range spans {
		got[parents[sp.Parent]+" > "+sp.Kind+" "+sp.Name]++
	}
	want := map[string]int{
		"caller > server POST /orders":          1,
		"POST /orders > producer send orders":   1,
		"send orders > consumer process orders": 1,
		"process orders > client POST":          2, // stock fails once
		"POST > server POST /reservations":      2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	for _, sp := range spans {
		if sp.Kind == "consumer" && (len(sp.Events) != 1 || sp.Events[0].Name != "attempt failed") {
			t.Errorf("got events %v, want the failed attempt", sp.Events)
		}
	}
}

func TestTracesThatCannotBeWrittenAreAnError(t *testing.T) {
	t.Parallel()

	_, err := newShop(t.Context(), settings{traces: t.TempDir()}, nil)

	if err == nil || !strings.HasPrefix(err.Error(), "traces: ") {
		t.Errorf("got %v, want traces: … is a directory", err)
	}
}

var curlLine = regexp.MustCompile(`^curl .*traceparent: 00-([0-9a-f]{32})-[0-9a-f]{16}-01'.*# trace ([0-9a-f]{32})$`)

func TestCurlLinesStartTheTracesThatTheyName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}

	for _, line := range curls("http://127.0.0.1:50000") {
		m := curlLine.FindStringSubmatch(line)
		if m == nil || m[1] != m[2] || seen[m[1]] {
			t.Errorf("got %s, want a trace of its own, named", line)
			continue
		}
		seen[m[1]] = true
	}

	if len(seen) != 3 {
		t.Errorf("got %d lines, want 3", len(seen))
	}
}

// runCurl runs a line as a user does.
func runCurl(ctx context.Context, line string) error {
	out, err := exec.CommandContext(ctx, "sh", "-c", strings.Replace(line, "curl ", "curl --fail ", 1)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

var curlWord = regexp.MustCompile(`'[^']*'|\S+`)

// likeCurl does what curl does with a line, as far as ours go.
func likeCurl(ctx context.Context, line string) error {
	method, url, body, header := http.MethodGet, "", "", http.Header{}
	command, _, _ := strings.Cut(line, " # ")
	words := curlWord.FindAllString(command, -1)[1:]
	for i := 0; i < len(words); i++ {
		switch word := words[i]; word {
		case "-sS":
		case "-H":
			i++
			name, value, _ := strings.Cut(strings.Trim(words[i], "'"), ": ")
			header.Set(name, value)
		case "-d":
			i++
			method, body = http.MethodPost, strings.Trim(words[i], "'")
		default:
			url = word
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = header
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		err = errors.New(resp.Status)
	}
	return errors.Join(err, resp.Body.Close())
}

func TestCurlLinesWork(t *testing.T) {
	t.Parallel()
	run := runCurl
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("there is no curl: its lines are read and sent by the test")
		run = likeCurl
	}
	path := t.TempDir() + "/traces"
	s := openShop(t, settings{traces: path})
	var welcome strings.Builder
	s.welcome(&welcome, s.url)

	var ids []string
	for line := range strings.Lines(welcome.String()) {
		m := curlLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		ids = append(ids, m[1])
		if err := run(t.Context(), line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if len(ids) == 1 {
			s.finished(1)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	if len(ids) != 3 {
		t.Errorf("got %d lines, want 3", len(ids))
	}
	for _, id := range ids {
		if len(readSpans(t, path, id)) == 0 {
			t.Errorf("trace %s is not there", id)
		}
	}
}
