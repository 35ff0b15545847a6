package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	predis "github.com/beatlabs/patron/client/redis"
	"github.com/beatlabs/patron/correlation"
	"github.com/beatlabs/patron/internal/faultnet"
	"github.com/beatlabs/patron/trace"
	"github.com/beatlabs/patron/trace/tracetest"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	durations   = "db_client_operation_duration_seconds"
	connections = "patron_db_client_connections"
)

func newClient(t *testing.T, o *redis.Options, oo ...predis.OptionFunc) *redis.Client {
	t.Helper()
	client, err := predis.New(o, oo...)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
	})
	return client
}

// spansOf returns those that ended, without those of connections that are made.
func spansOf(rec *tracetest.Recorder) []tracetest.Span {
	return slices.DeleteFunc(rec.Spans(), func(s tracetest.Span) bool {
		text, _ := s.Attributes["db.query.text"].(string)
		return strings.HasPrefix(text, "HELLO") || strings.HasPrefix(text, "CLIENT") || strings.HasPrefix(text, "SELECT")
	})
}

func TestACommandIsASpanAndIsCounted(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rec := tracetest.New()
	client := newClient(t, &redis.Options{Addr: server.Addr(), DB: 3})
	ctx, parent := trace.Start(correlation.ContextWithID(rec.Context(t.Context()), "case-1"), "parent")

	if err := client.Set(ctx, "secret-key", "secret-value", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	parent.End(nil)

	spans := spansOf(rec)
	if len(spans) != 2 || spans[0].Name != "SET" || spans[0].Kind != "client" || spans[0].Status != "unset" || !spans[0].ChildOf(spans[1]) {
		t.Fatalf("spans: got %+v, want SET below parent", spans)
	}
	port, err := strconv.ParseInt(server.Port(), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"db.system.name": "redis", "db.namespace": "3", "db.operation.name": "SET", "db.query.text": "SET ? ? ? ?", "server.address": server.Host(),
		"server.port": port, "patron.correlation_id": "case-1",
	}
	if diff := cmp.Diff(want, spans[0].Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	labels := []string{"db_system_name", "redis", "db_namespace", "3", "server_address", server.Host(), "db_operation_name", "SET", "error_type", ""}
	if got := rec.Metric(durations, labels...); got != 1 {
		t.Errorf("%s: got %v, want 1", durations, got)
	}
	if got := rec.Metric("patron_db_client_in_flight"); got != 0 {
		t.Errorf("in flight afterwards: got %v, want 0", got)
	}
	rec.AssertNoneOpen(t)
}

func TestWhatTheServerAnswersIsTheErrorType(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := newClient(t, &redis.Options{Addr: server.Addr()})
	if _, err := server.Push("list", "1"); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		call   func(ctx context.Context) error
		kind   string
		status string
		fails  bool
	}{
		"nothing there":      {func(ctx context.Context) error { return client.Get(ctx, "none").Err() }, "", "unset", true},
		"of another type":    {func(ctx context.Context) error { return client.Get(ctx, "list").Err() }, "WRONGTYPE", "error", true},
		"an unknown command": {func(ctx context.Context) error { return client.Do(ctx, "frobnicate", "x").Err() }, "ERR", "error", true},
		"an unknown script":  {func(ctx context.Context) error { return client.EvalSha(ctx, strings.Repeat("0", 40), nil).Err() }, "NOSCRIPT", "unset", true},
		"a script of one": {func(ctx context.Context) error {
			return client.Eval(ctx, `return redis.error_reply("CUSTOM secret")`, nil).Err()
		}, "_OTHER", "error", true},
		"an ended context": {func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return client.Get(ctx, "list").Err()
		}, "canceled", "error", true},
		"success": {func(ctx context.Context) error { return client.Ping(ctx).Err() }, "", "unset", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := tracetest.New()
			if err := tc.call(rec.Context(t.Context())); tc.fails != (err != nil) {
				t.Fatalf("the call: got %v", err)
			}
			spans := spansOf(rec)
			if len(spans) != 1 || spans[0].Status != tc.status {
				t.Fatalf("spans: got %+v, want one that is %s", spans, tc.status)
			}
			if got := rec.Metric(durations, "db_operation_name", spans[0].Name, "error_type", tc.kind); got != 1 {
				t.Errorf("%s of %s with error_type %q: got %v, want 1", durations, spans[0].Name, tc.kind, got)
			}
		})
	}
}

func TestAPipelineIsOneSpan(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := newClient(t, &redis.Options{Addr: server.Addr()})
	fill := func(ctx context.Context, n int) func(redis.Pipeliner) error {
		return func(p redis.Pipeliner) error {
			for range n {
				p.Incr(ctx, "secret")
			}
			p.Get(ctx, "none") // an answer that is no error
			return nil
		}
	}
	for name, tc := range map[string]struct {
		call func(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
		n    int
		op   string
		size int64
		text string
	}{
		"pipeline":      {client.Pipelined, 2, "PIPELINE", 3, "INCR ?\nINCR ?\nGET ?"},
		"transaction":   {client.TxPipelined, 1, "MULTI", 4, "MULTI\nINCR ?\nGET ?\nEXEC"},
		"long pipeline": {client.Pipelined, 1000, "PIPELINE", 1001, strings.Repeat("INCR ?\n", 10) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := tracetest.New()
			ctx := rec.Context(t.Context())
			if _, err := tc.call(ctx, fill(ctx, tc.n)); !errors.Is(err, redis.Nil) {
				t.Fatalf("the call: got %v, want redis.Nil", err)
			}
			spans := spansOf(rec)
			if len(spans) != 1 || spans[0].Name != tc.op || spans[0].Attributes["db.operation.batch.size"] != tc.size ||
				spans[0].Attributes["db.query.text"] != tc.text || spans[0].Status != "unset" {
				t.Errorf("spans: got %+v, want %s of %d, %q", spans, tc.op, tc.size, tc.text)
			}
			if got := rec.Metric(durations, "db_operation_name", tc.op, "error_type", ""); got != 1 {
				t.Errorf("%s of %s: got %v, want 1", durations, tc.op, got)
			}
		})
	}
}

func TestNoValueBecomesANameAndNamesAreFew(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rec := tracetest.New()
	ctx := rec.Context(t.Context())
	client := newClient(t, &redis.Options{Addr: server.Addr()})
	for _, name := range []string{"secret@value", strings.Repeat("x", 100), "é"} {
		_ = client.Do(ctx, name, "y").Err()
	}
	for i := range predis.MaxOperations + 50 {
		_ = client.Do(ctx, "command"+strconv.Itoa(i)).Err()
	}
	if n := rec.Metric(durations, "db_operation_name", "_OTHER"); n < 53 {
		t.Errorf("_OTHER: got %v, want 53 at least", n)
	}
	names := make(map[string]bool)
	for _, s := range rec.Spans() {
		names[s.Name] = true
		if text := fmt.Sprint(s.Attributes); strings.Contains(text, "secret") || strings.Contains(text, "xxx") {
			t.Errorf("attributes: got %s", text)
		}
	}
	if len(names) > predis.MaxOperations+1 {
		t.Errorf("got %d names, want %d at most", len(names), predis.MaxOperations+1)
	}
}

func TestThePoolIsShownUntilTheClientIsGone(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rec, elsewhere := tracetest.New(), tracetest.New()
	use := func() {
		client, err := predis.New(&redis.Options{Addr: server.Addr(), PoolSize: 7}, predis.WithPoolName("stock"))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := errors.Join(client.Ping(rec.Context(t.Context())).Err(), client.Ping(elsewhere.Context(t.Context())).Err()); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range []*tracetest.Recorder{rec, elsewhere} {
			if got := r.Metric(connections, "db_client_connection_pool_name", "stock", "db_client_connection_state", "idle"); got != 1 {
				t.Errorf("idle: got %v, want 1", got)
			}
			if got := r.Metric(connections, "db_client_connection_state", "used"); got != 0 {
				t.Errorf("used: got %v, want 0", got)
			}
			if got := r.Metric("db_client_connection_max", "db_client_connection_pool_name", "stock"); got != 7 {
				t.Errorf("max: got %v, want 7", got)
			}
		}
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		if got := rec.Metric(connections); got != 0 {
			t.Errorf("connections of a client that is closed: got %v, want 0", got)
		}
	}
	use()
	for range 100 { // it takes the collector a few rounds
		runtime.GC()
		if rec.Metric("db_client_connection_max") == 0 && elsewhere.Metric("db_client_connection_max") == 0 {
			return
		}
	}
	t.Error("the pool of a client that nobody has is still shown")
}

func TestAnOutageIsSeenAndEnds(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	network := faultnet.New()
	client := newClient(t, &redis.Options{
		Addr: server.Addr(), Dialer: network.DialContext, MaxRetries: -1, DialTimeout: 100 * time.Millisecond, ReadTimeout: 100 * time.Millisecond,
		WriteTimeout: 100 * time.Millisecond,
	})
	for name, tc := range map[string]struct {
		fail func()
		kind string
	}{"down": {network.Down, "transient"}, "stalled": {network.Stall, "timeout"}} {
		rec := tracetest.New()
		ctx := rec.Context(t.Context())
		if err := client.Ping(ctx).Err(); err != nil {
			t.Fatalf("before: %v", err)
		}
		tc.fail()
		if err := client.Ping(ctx).Err(); err == nil {
			t.Errorf("%s: got nil", name)
		}
		network.Up()
		if got := rec.Metric(durations, "db_operation_name", "PING", "error_type", tc.kind); got != 1 {
			t.Errorf("%s: %s with error_type %s: got %v, want 1", name, durations, tc.kind, got)
		}
		deadline := time.Now().Add(10 * time.Second)
		for client.Ping(ctx).Err() != nil && time.Now().Before(deadline) {
			runtime.Gosched()
		}
		if err := client.Ping(ctx).Err(); err != nil {
			t.Errorf("%s, afterwards: %v", name, err)
		}
	}
}

func TestAnyClientOfGoRedisCanBeInstrumented(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	for name, client := range map[string]redis.UniversalClient{
		"one server": redis.NewClient(&redis.Options{Addr: server.Addr()}),
		"cluster":    redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr()}}),
		"ring":       redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": server.Addr()}}),
	} {
		rec := tracetest.New()
		ctx := rec.Context(t.Context())
		if err := predis.Instrument(client, predis.WithoutQueryText()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := client.Set(ctx, "k", "v", 0).Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		spans := rec.Named("SET")
		if len(spans) != 1 || spans[0].Attributes["db.query.text"] != nil || rec.Metric(durations, "db_operation_name", "SET") != 1 {
			t.Errorf("%s: got spans %+v, want one without a text", name, spans)
		}
		if rec.Metric(connections) < 1 {
			t.Errorf("%s: no connection is shown", name)
		}
		if err := client.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
	}
	universal, err := predis.NewUniversal(&redis.UniversalOptions{Addrs: []string{server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer universal.Close()
	rec := tracetest.New()
	if err := universal.Get(rec.Context(t.Context()), "k").Err(); err != nil || len(rec.Named("GET")) != 1 {
		t.Errorf("universal: got error %v and spans %+v", err, rec.Spans())
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	_, one := predis.New(nil, nil, predis.WithPoolName(""))
	_, universal := predis.NewUniversal(nil, nil, predis.WithPoolName(""))
	for _, err := range []error{one, universal} {
		for _, want := range []string{"options are nil", "option 0 is nil", "pool name is empty"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want one with %q", err, want)
			}
		}
	}
	var none *redis.Client
	for _, client := range []redis.UniversalClient{nil, none, (*redis.ClusterClient)(nil), (*redis.Ring)(nil), struct{ redis.UniversalClient }{}} {
		if err := predis.Instrument(client); err == nil || !strings.Contains(err.Error(), "want one of go-redis") {
			t.Errorf("%T: got error %v", client, err)
		}
	}
}

func TestCommandsOnRealRedis(t *testing.T) {
	t.Parallel()
	addr := os.Getenv("PATRON_TEST_REDIS")
	if addr == "" {
		t.Skip("PATRON_TEST_REDIS is not set: make test starts the brokers")
	}
	rec := tracetest.New()
	ctx := rec.Context(t.Context())
	client := newClient(t, &redis.Options{Addr: addr})
	key := "patron-test:" + strconv.FormatUint(rand.Uint64(), 36)
	defer client.Del(context.WithoutCancel(ctx), key)

	if err := client.Incr(ctx, key).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.LPush(ctx, key, "x").Err(); err == nil {
		t.Error("LPUSH to a number: got nil")
	}
	script := redis.NewScript("return redis.call('GET', KEYS[1]) -- " + key)
	if got, err := script.Run(ctx, client, []string{key}).Text(); got != "1" || err != nil {
		t.Errorf("script: got %q and error %v", got, err)
	}
	for labels, want := range map[[2]string]float64{{"INCR", ""}: 1, {"LPUSH", "WRONGTYPE"}: 1, {"EVALSHA", "NOSCRIPT"}: 1, {"EVAL", ""}: 1} {
		if got := rec.Metric(durations, "db_operation_name", labels[0], "error_type", labels[1]); got != want {
			t.Errorf("%v: got %v, want %v", labels, got, want)
		}
	}
	rec.AssertNoneOpen(t)
}

func Example() {
	server, err := miniredis.Run()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := predis.New(&redis.Options{Addr: server.Addr()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	fmt.Println(client.Incr(context.Background(), "visits").Result())
	// Output: 1 <nil>
}
